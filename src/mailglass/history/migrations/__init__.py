"""The steps that lead from one schema to the next, made by Alembic."""

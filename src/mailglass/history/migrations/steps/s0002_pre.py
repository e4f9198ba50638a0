"""What was known of a hit's company when it was judged, and sign-ins that failed."""

import sqlalchemy as sa
from alembic import op

revision = "s0002_pre"
down_revision = "s0001_pre"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("crowd", sa.Text(), nullable=True))
    op.create_table(
        "failed_sign_in",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_index(op.f("ix_failed_sign_in_at"), "failed_sign_in", ["at"], unique=False)
    op.create_index(
        op.f("ix_failed_sign_in_name_at"), "failed_sign_in", ["name", "at"], unique=False
    )

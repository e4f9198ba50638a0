"""The named statements about accounts and their users."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import InputError
from . import schema
from .records import Account, Role, User
from .statements import Statements

__all__ = ["AccountStatements", "user_columns", "user_of"]


_LONGEST_NAME = 200  # characters, as the dashboard's form takes them


class AccountStatements(Statements):
    """What a transaction can do with accounts and users."""

    def add_account(self, name: str, at: datetime) -> Account:
        """A new account."""
        row = self._db.execute(
            schema.account.insert().values(name=name, created_at=at.timestamp())
        ).inserted_primary_key
        assert row is not None
        return Account(id=row[0], name=name)

    def accounts(self) -> list[Account]:
        """All accounts that are not closed."""
        c = schema.account.c
        query = sa.select(c.id, c.name).where(c.closed_at.is_(None)).order_by(c.id)
        return [Account(id=row.id, name=row.name) for row in self._db.execute(query)]

    def account_name(self, account_id: int) -> str:
        """The name of an account."""
        c = schema.account.c
        return str(self._db.execute(sa.select(c.name).where(c.id == account_id)).scalar_one())

    def rename_account(self, account_id: int, name: str) -> None:
        """Give an account another name."""
        c = schema.account.c
        self._db.execute(schema.account.update().where(c.id == account_id).values(name=name))

    def is_account_name_taken(self, name: str, *, by_other_than: int | None = None) -> bool:
        """Whether an account, open or closed, has a name."""
        c = schema.account.c
        query = sa.select(c.id).where(c.name == name)
        if by_other_than is not None:
            query = query.where(c.id != by_other_than)
        return self._db.execute(query).first() is not None

    def close_account(self, account_id: int, at: datetime) -> None:
        """Nobody comes in for an account any more; its history stays."""
        c = schema.account.c
        self._db.execute(
            schema.account.update().where(c.id == account_id).values(closed_at=at.timestamp())
        )
        for user in self.users(account_id):
            self.disable_user(user.id, at)

    def users(self, account_id: int | None = None) -> list[User]:
        """Who may come in, of one account or all, by name."""
        u = schema.user.c
        query = sa.select(*user_columns()).where(u.disabled_at.is_(None)).order_by(u.name)
        if account_id is not None:
            query = query.where(u.account_id == account_id)
        return [user_of(row) for row in self._db.execute(query)]

    def disable_user(self, user_id: int, at: datetime) -> None:
        """A user comes in no more, and is signed out everywhere."""
        self._db.execute(
            schema.user.update()
            .where(schema.user.c.id == user_id)
            .values(disabled_at=at.timestamp())
        )
        for table in (schema.session, schema.login_link):
            self._db.execute(table.delete().where(table.c.user_id == user_id))

    def enable_user(self, name: str, account_id: int) -> User | None:
        """Let a user in again who was removed from the account; None when there was none."""
        u = schema.user.c
        done = self._db.execute(
            schema.user.update()
            .where(u.name == name, u.account_id == account_id)
            .values(disabled_at=None)
        )
        return self.user_named(name) if done.rowcount else None

    def add_user(
        self,
        account_id: int,
        name: str,
        password_hash: str,
        at: datetime,
        role: Role = Role.OWNER,
    ) -> User:
        """A new user of an account; raises InputError for what can be nobody's name."""
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise InputError(
                f"{name[:_LONGEST_NAME]!r} is no name of a user; give 1 to {_LONGEST_NAME} "
                "characters that can be seen"
            )
        row = self._db.execute(
            schema.user.insert().values(
                account_id=account_id,
                name=name,
                password_hash=password_hash,
                role=role.value,
                created_at=at.timestamp(),
            )
        ).inserted_primary_key
        assert row is not None
        return User(
            id=row[0], account_id=account_id, name=name, password_hash=password_hash, role=role
        )

    def user_named(self, name: str) -> User | None:
        """The user of that name who may come in."""
        u = schema.user.c
        query = sa.select(*user_columns()).where(u.name == name, u.disabled_at.is_(None))
        row = self._db.execute(query).one_or_none()
        return user_of(row) if row else None

    def account(self, account_id: int) -> Account:
        """An account by its number; raises LookupError for one that does not exist."""
        c = schema.account.c
        row = self._db.execute(sa.select(c.id, c.name).where(c.id == account_id)).one_or_none()
        if row is None:
            raise LookupError(f"there is no account {account_id}")
        return Account(id=row.id, name=row.name)

    def totp_secret_of(self, user_id: int) -> str | None:
        """The secret of a user's second factor; None without one."""
        u = schema.user.c
        return self._db.execute(sa.select(u.totp_secret).where(u.id == user_id)).scalar()

    def set_totp_secret(self, user_id: int, secret: str | None) -> None:
        """Ask a user for codes of this secret (base32) from now on, or for none."""
        self._db.execute(
            schema.user.update()
            .where(schema.user.c.id == user_id)
            .values(totp_secret=secret, totp_used_step=None)
        )

    def use_totp_step(self, user_id: int, step: int) -> bool:
        """Take a time step's code; False when it, or a later one, was taken before."""
        u = schema.user.c
        done = self._db.execute(
            schema.user.update()
            .where(u.id == user_id, sa.func.coalesce(u.totp_used_step, -1) < step)
            .values(totp_used_step=step)
        )
        return bool(done.rowcount)

    def set_role(self, user_id: int, role: Role) -> None:
        """What a user may do from now on."""
        self._db.execute(
            schema.user.update().where(schema.user.c.id == user_id).values(role=role.value)
        )

    def set_password(self, user_id: int, password_hash: str) -> None:
        """Another password for a user."""
        self._db.execute(
            schema.user.update()
            .where(schema.user.c.id == user_id)
            .values(password_hash=password_hash)
        )


def user_columns() -> list[sa.Column[Any]]:  # Any: of several types
    """The columns that make a `User`."""
    u = schema.user.c
    return [u.id, u.account_id, u.name, u.password_hash, u.role, u.totp_secret]


def user_of(row: Any) -> User:  # a row of a select, which SQLAlchemy types as Any
    """The user of a row with `user_columns`."""
    return User(**{**row._mapping, "role": Role(row.role)})

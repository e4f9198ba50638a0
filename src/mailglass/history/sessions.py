"""The named statements about login links and browser sessions; tokens come as their hashes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from . import schema
from .accounts import user_columns, user_of
from .records import User
from .statements import Statements

__all__ = ["SessionStatements"]


class SessionStatements(Statements):
    """What a transaction can do with login links and sessions."""

    def add_login_link(self, token_hash: bytes, user_id: int, expires_at: datetime) -> None:
        """A link that signs its user in once."""
        self._db.execute(
            schema.login_link.insert().values(
                token_hash=token_hash, user_id=user_id, expires_at=expires_at.timestamp()
            )
        )

    def use_login_link(self, token_hash: bytes, now: datetime) -> int | None:
        """The user of a link that is still good; the link is gone afterwards."""
        c = schema.login_link.c
        row = self._db.execute(
            schema.login_link.delete()
            .where(c.token_hash == token_hash)
            .returning(c.user_id, c.expires_at)
        ).one_or_none()
        return row.user_id if row and row.expires_at > now.timestamp() else None

    def add_session(self, token_hash: bytes, user_id: int, expires_at: datetime) -> None:
        """A browser that is signed in."""
        self._db.execute(
            schema.session.insert().values(
                token_hash=token_hash, user_id=user_id, expires_at=expires_at.timestamp()
            )
        )

    def user_of_session(self, token_hash: bytes, now: datetime) -> User | None:
        """Who is signed in there."""
        u, s = schema.user.c, schema.session.c
        row = self._db.execute(
            sa.select(*user_columns())
            .join(schema.session, s.user_id == u.id)
            .where(
                s.token_hash == token_hash, s.expires_at > now.timestamp(), u.disabled_at.is_(None)
            )
        ).one_or_none()
        return user_of(row) if row else None

    def end_session(self, token_hash: bytes) -> None:
        """Sign a browser out."""
        self._db.execute(schema.session.delete().where(schema.session.c.token_hash == token_hash))

    def end_other_sessions(self, user_id: int, kept_hash: bytes) -> None:
        """Sign a user out everywhere but there."""
        s = schema.session.c
        self._db.execute(
            schema.session.delete().where(s.user_id == user_id, s.token_hash != kept_hash)
        )

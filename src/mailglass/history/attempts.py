"""The named statements about wrong passwords: after ten for a name it has to wait.

Failures are counted by name, wherever they come from, at the sign-in form and by SMTP together.
Alone that would let anybody lock a user out for ever, and their mail client with them. So a network
from which somebody of the user's account came in before (`own`), and the machine itself, count for
themselves: who guesses from elsewhere does not stop them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from ..evidence import network_key
from . import schema
from .own import is_here
from .statements import Statements

__all__ = ["AttemptStatements"]

_FREE = 10  # failures before anybody waits: a person with several passwords finds theirs
_WAIT = timedelta(minutes=15)
_KNOWN = timedelta(days=90)  # since somebody came in from there: a season away from the office
_NAME_CHARACTERS = 200  # names come from outside
_ELSEWHERE = ""


class AttemptStatements(Statements):
    """What a transaction can do with failed sign-ins; `address` is where one comes from."""

    def sign_in_wait_seconds(self, name: str, address: str, now: datetime) -> int:
        """How long nobody from there is asked about this name; 0 when they may try."""
        c = schema.failed_sign_in.c
        query = (
            sa.select(c.at)
            .where(*self._counted_with(name, address, now))
            .order_by(c.at.desc())
            .offset(_FREE - 1)
            .limit(1)
        )
        at = self._db.execute(query).scalar()
        return 0 if at is None else max(1, round(at + _WAIT.total_seconds() - now.timestamp()))

    def add_failed_sign_in(self, name: str, address: str, now: datetime) -> None:
        """Count a failure; those that no longer count are removed, of every name."""
        c = schema.failed_sign_in.c
        self._db.execute(schema.failed_sign_in.delete().where(c.at <= _since(now)))
        self._db.execute(
            schema.failed_sign_in.insert().values(
                name=_plain(name), network=self._network(name, address, now), at=now.timestamp()
            )
        )

    def has_failed_sign_ins(self, name: str, now: datetime) -> bool:
        """Whether any failure of a name still counts."""
        c = schema.failed_sign_in.c
        query = sa.select(c.at).where(c.name == _plain(name), c.at > _since(now)).limit(1)
        return self._db.execute(query).first() is not None

    def forget_failed_sign_ins(
        self, name: str, address: str | None = None, now: datetime | None = None
    ) -> None:
        """Somebody from there was let in under the name; without an address, forget all of it."""
        c = schema.failed_sign_in.c
        counted = [c.name == _plain(name)]
        if address is not None and now is not None:
            counted = self._counted_with(name, address, now)
        self._db.execute(schema.failed_sign_in.delete().where(*counted))

    def _counted_with(self, name: str, address: str, now: datetime) -> list[sa.ColumnElement[bool]]:
        c = schema.failed_sign_in.c
        network = self._network(name, address, now)
        return [c.name == _plain(name), c.network == network, c.at > _since(now)]

    def _network(self, name: str, address: str, now: datetime) -> str:
        """Under what a failure is counted: the network, where it is known for the user."""
        network = network_key(address)
        if is_here(network):
            return network if address else _ELSEWHERE
        u, own = schema.user.c, schema.own_network.c
        known = self._db.execute(
            sa.select(own.network)
            .join(schema.user, u.account_id == own.account_id)
            .where(
                u.name == _plain(name),
                own.network == network,
                own.marked_at > (now - _KNOWN).timestamp(),
            )
        ).first()
        return network if known else _ELSEWHERE


def _since(now: datetime) -> float:
    return (now - _WAIT).timestamp()


def _plain(name: str) -> str:
    return name[:_NAME_CHARACTERS].replace("\0", "\ufffd")  # PostgreSQL takes no NUL

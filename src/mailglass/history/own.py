"""The named statements about what is the sender's own: browsers that were marked, networks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TypeVar

import sqlalchemy as sa

from . import schema
from .statements import Statements

__all__ = ["OwnStatements", "is_here"]

_T = TypeVar("_T")

_HERE_IPV6 = "::/48"  # of ::1
_ANEW = timedelta(hours=1)  # the same mark sooner than this writes nothing


class OwnStatements(Statements):
    """What a transaction can do with the sender's own browsers and networks."""

    def add_own_device(self, user_id: int, address: str, user_agent: str, at: datetime) -> bool:
        """Mark a browser as a user's own; whether there is such a user."""
        account_id = self.account_of_user(user_id)
        if account_id is None:
            return False
        c = schema.own_device.c
        same = sa.and_(c.account_id == account_id, c.address == address, c.user_agent == user_agent)
        marks = {"marked_by": user_id, "marked_at": at.timestamp()}
        done = self._db.execute(schema.own_device.update().where(same).values(**marks))
        if not done.rowcount:
            self._db.execute(
                schema.own_device.insert().values(
                    account_id=account_id, address=address, user_agent=user_agent, **marks
                )
            )
        return True

    def add_own_network(
        self, account_id: int, network: str, at: datetime, user_id: int | None = None
    ) -> None:
        """A user signed in or handed mail in from a network, as `evidence.network_key` names it.

        The machine itself is left out: it says nothing of where anybody sits.
        """
        if is_here(network):
            return
        c = schema.own_network.c
        same = sa.and_(c.account_id == account_id, c.network == network)
        known = self._db.execute(sa.select(c.marked_at).where(same)).scalar()
        marks = {"marked_by": user_id, "marked_at": at.timestamp()}
        if known is None:
            self._db.execute(
                schema.own_network.insert().values(account_id=account_id, network=network, **marks)
            )
        elif known < (at - _ANEW).timestamp():
            self._db.execute(schema.own_network.update().where(same).values(**marks))

    def own_devices(self, since: datetime) -> dict[int, frozenset[tuple[str, str]]]:
        """By account: address and user agent of the browsers that were marked since then."""
        c = schema.own_device.c
        query = sa.select(c.account_id, c.address, c.user_agent).where(
            c.marked_at >= since.timestamp()
        )
        return _gathered((r.account_id, (r.address, r.user_agent)) for r in self._db.execute(query))

    def own_networks(self, since: datetime) -> dict[int, frozenset[str]]:
        """By account: the networks from which somebody came in since then."""
        c = schema.own_network.c
        query = sa.select(c.account_id, c.network).where(c.marked_at >= since.timestamp())
        return _gathered((r.account_id, r.network) for r in self._db.execute(query))

    def account_of_user(self, user_id: int) -> int | None:
        """The account of a user who may come in."""
        u = schema.user.c
        query = sa.select(u.account_id).where(u.id == user_id, u.disabled_at.is_(None))
        return self._db.execute(query).scalar()


def is_here(network: str) -> bool:
    """Whether a network, as `evidence.network_key` names it, is the machine itself."""
    try:
        return ip_network(network).is_loopback or network == _HERE_IPV6
    except ValueError:
        return True  # a Unix socket or the like


def _gathered(pairs: Iterable[tuple[int, _T]]) -> dict[int, frozenset[_T]]:
    found: dict[int, set[_T]] = {}
    for account_id, value in pairs:
        found.setdefault(account_id, set()).add(value)
    return {account_id: frozenset(values) for account_id, values in found.items()}

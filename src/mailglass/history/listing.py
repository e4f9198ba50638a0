"""The named statements behind lists: newest first, a page at a time, by what people look for.

A page begins below a number (`before`), so that it costs the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..addresses import domain_spellings, spellings
from ..ids import first_id_at
from ..model import VerdictLevel
from . import schema
from .browsing import BrowsingStatements
from .records import StoredDelivery, StoredMessage
from .schema.base import Dimension
from .statements import chunks

_LARGEST = 2**63 - 1  # what a column of numbers holds

__all__ = ["DeliveryFilters", "ListingStatements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilters:
    """Which deliveries; what is None does not matter."""

    message_id: int | None = None
    recipient: str | None = None
    recipient_domain: str | None = None
    level: VerdictLevel | None = None
    since: datetime | None = None
    until: datetime | None = None


class ListingStatements(BrowsingStatements):
    """What a transaction can list."""

    def messages_numbered(self, numbers: Iterable[int]) -> list[StoredMessage]:
        """Messages by number, with their targets; those that do not exist are left out."""
        found = self.messages_by_id(numbers)
        targets = self.targets_of(m.id for m in found)
        return [replace(m, targets=targets.get(m.id, ())) for m in found]

    def list_deliveries(
        self, account_id: int, filters: DeliveryFilters, *, before: int | None, limit: int
    ) -> list[StoredDelivery]:
        """The newest deliveries of an account that pass the filters, the newest first, below the
        number `before`."""
        d = schema.delivery.c
        query = sa.select(schema.delivery).where(d.account_id == account_id)
        if filters.message_id is not None:
            query = query.where(d.message_id == filters.message_id)
        if filters.recipient is not None:
            query = query.where(d.person.in_(spellings(filters.recipient)))
        if filters.recipient_domain is not None:
            name = schema.recipient_domain.c
            wanted = name.name.in_(domain_spellings(filters.recipient_domain))
            query = query.where(d.domain_id.in_(sa.select(name.id).where(wanted)))
        if filters.level is not None:
            query = query.where(d.level == filters.level)
        query = _between(query, d.id, before, filters.since, filters.until)
        return self._read(query.order_by(d.id.desc()).limit(limit))

    def dimension_keys(
        self, account_id: int, dimension: Dimension, names: Sequence[str]
    ) -> dict[int, str]:
        """The numbers under which campaigns, tags or recipient domains are counted, with names."""
        table = _NAMED[dimension]
        if dimension is Dimension.DOMAIN:
            names = [form for name in names for form in domain_spellings(name)]
        query = sa.select(table.c.id, table.c.name).where(table.c.name.in_(names))
        if dimension is not Dimension.DOMAIN:
            query = query.where(table.c.account_id == account_id)
        return {row.id: row.name for row in self._db.execute(query)}

    def dimension_names(
        self, account_id: int, dimension: Dimension, keys: Iterable[int]
    ) -> dict[int, str]:
        """The names of what is counted under numbers."""
        table, found = _NAMED[dimension], {}
        for some in chunks(keys):
            query = sa.select(table.c.id, table.c.name).where(table.c.id.in_(some))
            if dimension is not Dimension.DOMAIN:
                query = query.where(table.c.account_id == account_id)
            found.update({row.id: row.name for row in self._db.execute(query)})
        return found


_NAMED = {
    Dimension.CAMPAIGN: schema.campaign,
    Dimension.TAG: schema.tag,
    Dimension.DOMAIN: schema.recipient_domain,
}


def _between(
    query: sa.Select[Any],  # Any: columns of several types
    column: sa.Column[Any],
    before: int | None,
    since: datetime | None,
    until: datetime | None,
) -> sa.Select[Any]:
    """A stretch of numbers: the time of acceptance stands in them."""
    if before is not None:
        query = query.where(column < before)
    if since is not None:
        query = query.where(column >= _first_id(since))
    if until is not None:
        query = query.where(column < _first_id(until))
    return query


def _first_id(at: datetime) -> int:
    return min(first_id_at(at), _LARGEST)

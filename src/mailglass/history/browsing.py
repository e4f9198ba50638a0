"""The named statements of whoever looks through the history: search, latest events, domains.

Every one is bounded by an index or by how far it looks back, so that a page takes as long with a
million deliveries as with a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..addresses import domain_spellings, spellings
from ..model import EventType, VerdictLevel
from . import schema
from .counting import Counts
from .events import EventStatements, select_events
from .messages import MessageStatements, message_of, select_messages
from .records import StoredEvent, StoredMessage
from .schema.base import Dimension
from .schema.rollups import LEVEL_COUNTERS
from .statements import chunks

__all__ = ["BrowsingStatements", "MessageSearch"]

# Events of all accounts that are looked through: 20 ms and 100 ms on SQLite.
_LOOK_BACK, _REFUSALS_LOOK_BACK = 20_000, 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSearch:
    """What a message must be like; None leaves a thing open."""

    words: str = ""  # in subject or author, a recipient's whole address, or a whole Message-ID
    level: VerdictLevel | None = None  # of any copy
    domain: str | None = None  # of any recipient
    campaign: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # the first moment left out


class BrowsingStatements(EventStatements, MessageStatements):
    """What a transaction can find."""

    def find_messages(
        self,
        account_id: int,
        search: MessageSearch,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> list[StoredMessage]:
        """The newest messages of an account that are like the search, older than `before`."""
        if self._is_hopeless(account_id, search):
            return []
        m = schema.message.c
        query = select_messages().where(m.account_id == account_id)
        if before is not None:
            query = query.where(m.id < before)
        for condition in _conditions(account_id, search):
            query = query.where(condition)
        rows = self._db.execute(query.order_by(m.id.desc()).limit(limit)).all()
        return self._messages(rows)

    def _is_hopeless(self, account_id: int, search: MessageSearch) -> bool:
        """Whether the counts say that nothing can be found, which a scan would take long to say."""
        if search.level is not None:
            counter = LEVEL_COUNTERS[search.level]
            if not any(row[counter] for row in self.counts(account_id)):
                return True
        if search.domain is not None:
            c = schema.recipient_domain.c
            named = sa.select(c.id).where(c.name.in_(domain_spellings(search.domain)))
            keys = list(self._db.execute(named).scalars())
            if not keys or not self.counts(account_id, Dimension.DOMAIN, keys=keys):
                return True
        return False

    def messages_by_id(self, message_ids: Iterable[int]) -> list[StoredMessage]:
        """Messages by number; those that do not exist are left out."""
        found: list[StoredMessage] = []
        for some in chunks(message_ids):
            rows = self._db.execute(select_messages().where(schema.message.c.id.in_(some))).all()
            found += self._messages(rows)
        return found

    def _messages(self, rows: Any) -> list[StoredMessage]:  # Any: rows, as SQLAlchemy types them
        tags = self._tags_of(row.id for row in rows)
        return [message_of(row, tags.get(row.id, ())) for row in rows]

    def latest_events(self, account_id: int, limit: int) -> list[StoredEvent]:
        """The newest events of an account, newest first, of the last ones of all accounts."""
        c = schema.event.c
        query = (
            select_events()
            .where(c.account_id == account_id, c.id > self.last_event_id() - _LOOK_BACK)
            .order_by(c.id.desc())
            .limit(limit)
        )
        return self._events(self._db.execute(query).all())

    def latest_refusals(self, account_id: int, limit: int) -> list[StoredEvent]:
        """The newest bounces and deferrals of an account, of the last events of all accounts."""
        c = schema.event.c
        query = (
            select_events()
            .where(
                c.account_id == account_id,
                c.type.in_((EventType.BOUNCED, EventType.DEFERRED)),
                c.id > self.last_event_id() - _REFUSALS_LOOK_BACK,
            )
            .order_by(c.id.desc())
            .limit(limit)
        )
        return self._events(self._db.execute(query).all())

    def author_domains(self, account_id: int) -> list[str]:
        """The domains that an account has shown to be its own, by name."""
        c = schema.sending_domain.c
        query = sa.select(c.name).where(c.account_id == account_id, c.state == "verified")
        return sorted(self._db.execute(query).scalars())

    def largest_domains(self, account_id: int, limit: int) -> list[tuple[str, Counts]]:
        """The recipients' domains with the most deliveries, and their totals."""
        counts = self.largest(account_id, Dimension.DOMAIN, limit)
        names = self._domain_names(row.key for row in counts)
        return [(names[row.key], row) for row in counts]


def _conditions(account_id: int, search: MessageSearch) -> Iterable[sa.ColumnElement[bool]]:
    m, d = schema.message.c, schema.delivery.c
    if words := search.words.strip():
        to_them = sa.select(d.message_id).where(
            d.person.in_(spellings(words)), d.account_id == account_id
        )
        yield sa.or_(
            m.subject.icontains(words, autoescape=True),
            m.author.icontains(words, autoescape=True),
            m.message_id_field.in_((words, f"<{words.strip('<>')}>")),
            m.id.in_(to_them),
        )
    of_message = sa.select(d.id).where(d.message_id == m.id)
    if search.level is not None:
        yield of_message.where(d.level == search.level).exists()
    if search.domain is not None:
        numbers = sa.select(schema.recipient_domain.c.id).where(
            schema.recipient_domain.c.name.in_(domain_spellings(search.domain))
        )
        yield of_message.where(d.domain_id.in_(numbers)).exists()
    if search.campaign is not None:
        c = schema.campaign.c
        number = sa.select(c.id).where(c.name == search.campaign, c.account_id == account_id)
        yield m.campaign_id == number.scalar_subquery()
    if search.tag is not None:
        tagged = sa.select(schema.message_tag.c.message_id).join(schema.tag)
        yield m.id.in_(
            tagged.where(schema.tag.c.name == search.tag, schema.tag.c.account_id == account_id)
        )
    if search.since is not None:
        yield m.accepted_at >= search.since.timestamp()
    if search.until is not None:
        yield m.accepted_at < search.until.timestamp()

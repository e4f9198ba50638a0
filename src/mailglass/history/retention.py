"""What is kept for how long, and the named statements that let go of the rest.

Each kind of data has its own number of days; 0 keeps it for ever. An account may have its own
number for a kind (the table `retention`). Everything goes in small pieces, each in a transaction of
its caller, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

import orjson
import sqlalchemy as sa

from ..errors import InputError
from . import schema
from .recounting import MESSAGES_LET_GO
from .schema.base import Dimension
from .statements import chunks, json_text, moment
from .unnamed import UnnamedStatements

__all__ = ["KINDS", "MOST_DAYS", "OF_ACCOUNTS", "RetentionStatements", "TaskReport", "truncated"]

_BATCH = 2000  # rows in one transaction: milliseconds
_PREFIX = {4: 24, 6: 48}  # what is kept of an address: its provider's corner, not its household


MOST_DAYS = 36_500  # a century; far more would lie before the calendar

# What each kind of data is; the days stand in the settings (`retention.<kind>`).
KINDS = {
    "full-addresses": "network addresses of hits, before they are cut to their /24 or /48",
    "addresses": "network addresses of hits, before they are dropped",
    "hits": "hits with their headers; what was made of them stays, and counts",
    "messages": "messages with their recipients, deliveries, events and hits; sums stay",
    "returned": "mail that came back, after it was read",
    "notices": "webhook notices that were taken or given up",
    "set-aside": "records that could not be used",
}
# Those for which an account may have a number of its own; the others belong to no account.
OF_ACCOUNTS = ("full-addresses", "addresses", "hits", "messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What a task did, and when."""

    name: str
    began_at: datetime
    ended_at: datetime | None
    result: Mapping[str, Any]  # JSON


def truncated(address: str) -> str:
    """An address without its last part: the /24 of IPv4, the /48 of IPv6; empty for other text."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    return str(ip_network((parsed, _PREFIX[parsed.version]), strict=False).network_address)


class RetentionStatements(UnnamedStatements):
    """What a transaction can do to let go of what is old."""

    def retention(self, account_id: int | None = None) -> dict[int, dict[str, int]]:
        """Accounts' own numbers of days, by account and kind."""
        c = schema.retention.c
        query = sa.select(schema.retention).order_by(c.account_id, c.kind)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        found: dict[int, dict[str, int]] = {}
        for row in self._db.execute(query):
            found.setdefault(row.account_id, {})[row.kind] = row.days
        return found

    def set_retention(self, account_id: int, kind: str, days: int | None) -> None:
        """An account's own number of days for a kind; None: that of the settings.

        Raises InputError for more than `MOST_DAYS`.
        """
        if days is not None and not 0 <= days <= MOST_DAYS:
            raise InputError(
                f"{kind}: {days} is not between 0 and {MOST_DAYS} days; 0 keeps for ever"
            )
        c = schema.retention.c
        self._db.execute(
            schema.retention.delete().where(c.account_id == account_id, c.kind == kind)
        )
        if days is not None:
            row = {"account_id": account_id, "kind": kind, "days": days}
            self._db.execute(schema.retention.insert().values(row))

    def old_hits(
        self, after: int, before: datetime, accounts: Sequence[int] | None, others: Sequence[int]
    ) -> tuple[list[tuple[int, str]], int, bool]:
        """The next hits above the number `after` that were seen before a time.

        Of `accounts`, or with None of all but `others`; hits of nobody are among the latter.
        Returns number and address of each, the number up to which this was all, and whether there
        may be more. Ends at the first hit that is younger: those behind it wait until it is old.
        """
        h, d = schema.hit.c, schema.delivery.c
        query = sa.select(h.id, h.at, h.address, d.account_id).join(
            schema.delivery, d.id == h.delivery_id, isouter=True
        )
        rows = self._db.execute(query.where(h.id > after).order_by(h.id).limit(_BATCH)).all()
        limit = before.timestamp()
        old = []
        for row in rows:
            if row.at >= limit:
                break
            old.append(row)
        reached = old[-1].id if old else after
        more = len(old) == len(rows) == _BATCH
        wanted = [
            (r.id, r.address)
            for r in old
            if (r.account_id in accounts if accounts is not None else r.account_id not in others)
        ]
        return wanted, reached, more

    def set_addresses(self, addresses: Mapping[int, str]) -> int:
        """Other addresses for hits; returns how many were different."""
        rows = [{"number": number, "new": address} for number, address in addresses.items()]
        if not rows:
            return 0
        h = schema.hit.c
        self._db.execute(
            schema.hit.update()
            .where(h.id == sa.bindparam("number"))
            .values(address=sa.bindparam("new")),
            rows,
        )
        return len(rows)

    def release_hits(self, hit_ids: Iterable[int]) -> int:
        """Let hits go; what was made of them stays, and counts."""
        h, e, done = schema.hit.c, schema.event.c, 0
        self._hold_pen()
        for some in chunks(hit_ids):
            owners = sa.select(h.delivery_id).where(h.id.in_(some), h.delivery_id.is_not(None))
            self._db.execute(
                schema.event.update()
                .where(e.delivery_id.in_(owners), e.hit_id.in_(some))
                .values(hit_id=None)
            )
            done += self._db.execute(schema.hit.delete().where(h.id.in_(some))).rowcount
        return done

    def remove_old_messages(self, account_id: int, before: datetime, limit: int = 50) -> int:
        """Let go of whole messages with all that is known of them; sums over more than one stay.

        Returns how many; less than `limit` when there are no more.
        """
        m, d = schema.message.c, schema.delivery.c
        query = sa.select(m.id).where(m.account_id == account_id)
        query = query.where(m.accepted_at < before.timestamp()).order_by(m.id).limit(limit)
        messages = list(self._db.execute(query).scalars())
        self._hold_pen()
        if messages:
            self.take_numbers(MESSAGES_LET_GO, len(messages))
        for some in chunks(messages):
            ids = list(self._db.execute(sa.select(d.id).where(d.message_id.in_(some))).scalars())
            self._remove_deliveries(ids)
            for table, column in (
                (schema.target, "message_id"),
                (schema.target_rollup, "message_id"),
                (schema.message_tag, "message_id"),
                (schema.message, "id"),
            ):
                self._db.execute(table.delete().where(table.c[column].in_(some)))
            r = schema.rollup.c
            self._db.execute(
                schema.rollup.delete().where(
                    r.account_id == account_id,
                    r.dimension == Dimension.MESSAGE,
                    r.key.in_(some),
                )
            )
        return len(messages)

    def _remove_deliveries(self, delivery_ids: Sequence[int]) -> None:
        h, e, d, r = schema.hit.c, schema.event.c, schema.delivery.c, schema.returned.c
        for some in chunks(delivery_ids):
            hits = sa.select(e.hit_id).where(e.delivery_id.in_(some), e.hit_id.is_not(None))
            self._db.execute(schema.hit.delete().where(h.id.in_(hits)))
            self._db.execute(schema.event.delete().where(e.delivery_id.in_(some)))
            self._db.execute(schema.returned.delete().where(r.delivery_id.in_(some)))
            self._db.execute(schema.delivery.delete().where(d.id.in_(some)))

    def remove_old_returned(self, before: datetime) -> int:
        """Let go of read mail that came back."""
        r = schema.returned.c
        old = sa.select(r.id).where(r.at < before.timestamp(), r.state != "new").limit(_BATCH)
        return self._db.execute(schema.returned.delete().where(r.id.in_(old))).rowcount

    def remove_old_notices(self, before: datetime) -> int:
        """Let go of webhook notices that wait for nothing any more."""
        n, a = schema.webhook_notice.c, schema.webhook_attempt.c
        query = sa.select(n.id).where(n.created_at < before.timestamp(), n.state != "waiting")
        old = list(self._db.execute(query.limit(_BATCH)).scalars())
        for start in range(0, len(old), 500):
            some = old[start : start + 500]
            self._db.execute(schema.webhook_attempt.delete().where(a.notice_id.in_(some)))
            self._db.execute(schema.webhook_notice.delete().where(n.id.in_(some)))
        return len(old)

    def remove_old_poison(self, before: datetime) -> int:
        """Let go of records that were set aside."""
        p = schema.poison.c
        return self._db.execute(schema.poison.delete().where(p.at < before.timestamp())).rowcount

    def remove_expired(self, now: datetime) -> int:
        """Let go of login links and sessions whose time is over."""
        done = 0
        for table in (schema.login_link, schema.session):
            done += self._db.execute(
                table.delete().where(table.c.expires_at < now.timestamp())
            ).rowcount
        return done

    # reports

    def add_report(self, report: TaskReport) -> None:
        """Keep what a task did."""
        self._db.execute(
            schema.task_report.insert().values(
                name=report.name,
                began_at=report.began_at.timestamp(),
                ended_at=report.ended_at.timestamp() if report.ended_at else None,
                result=json_text(dict(report.result)),
            )
        )

    def reports(self, name: str, limit: int = 1) -> list[TaskReport]:
        """The newest reports of a task."""
        c = schema.task_report.c
        query = sa.select(schema.task_report).where(c.name == name)
        return [
            TaskReport(
                name=row.name,
                began_at=moment(row.began_at),
                ended_at=None if row.ended_at is None else moment(row.ended_at),
                result=orjson.loads(row.result),
            )
            for row in self._db.execute(query.order_by(c.began_at.desc(), c.id.desc()).limit(limit))
        ]

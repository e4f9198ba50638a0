"""The named statements about what was learned of recipient domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import sqlalchemy as sa

from ..evidence import Learned, LearnedShare
from ..model import Judgement
from . import schema
from .dictionaries import DictionaryStatements
from .statements import json_text, moment

__all__ = ["JudgedEvents", "LearningStatements"]

_KEPT_VERSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedEvents:
    """A stretch of judged events, of each no more than learning needs."""

    last_id: int
    last_at: datetime | None  # None when there was none
    rows: Sequence[tuple[int, str, int]]  # domain, path kind, judgement
    judgements: Mapping[int, Judgement]


class LearningStatements(DictionaryStatements):
    """What a transaction can do with what is learned."""

    def judged_events(self, after: int, until: datetime, limit: int) -> JudgedEvents:
        """The next judged events above the number `after`, up to one that is younger than `until`.

        They come in the order of their numbers, in which they were judged.
        """
        e, d = schema.event.c, schema.delivery.c
        query = (
            sa.select(e.id, e.at, e.path_kind, e.judgement_id, d.domain_id)
            .join(schema.delivery, d.id == e.delivery_id)
            .where(e.id > after, e.judgement_id.is_not(None))
            .order_by(e.id)
            .limit(limit)
        )
        rows = []
        last_id, last_at = after, None
        for row in self._db.execute(query):
            if row.at > until.timestamp():
                break
            rows.append((row.domain_id, row.path_kind, row.judgement_id))
            last_id, last_at = row.id, moment(row.at)
        judgements = self._judgements(number for _, _, number in rows)
        return JudgedEvents(last_id=last_id, last_at=last_at, rows=rows, judgements=judgements)

    def add_learned_counts(self, counts: Mapping[tuple[int, str], tuple[float, float]]) -> None:
        """Add people's and machines' hits to those of a domain's kind."""
        c = schema.learned_count.c
        for (domain_id, kind), (people, machines) in counts.items():
            same = sa.and_(c.domain_id == domain_id, c.kind == kind)
            done = self._db.execute(
                schema.learned_count.update()
                .where(same)
                .values(people=c.people + people, machines=c.machines + machines)
            )
            if not done.rowcount:
                self._db.execute(
                    schema.learned_count.insert().values(
                        domain_id=domain_id, kind=kind, people=people, machines=machines
                    )
                )

    def age_learned_counts(self, factor: float) -> None:
        """Let what was counted weigh less; 0 forgets it."""
        c = schema.learned_count.c
        if factor <= 0:
            self._db.execute(schema.learned_count.delete())
            return
        self._db.execute(
            schema.learned_count.update().values(
                people=c.people * factor, machines=c.machines * factor
            )
        )

    def learned_counts(self) -> list[LearnedShare]:
        """What is counted now, by domain and kind."""
        rows = self._db.execute(sa.select(schema.learned_count)).all()
        names = self._domain_names(row.domain_id for row in rows)
        found = [LearnedShare(names[r.domain_id], r.kind, r.people, r.machines) for r in rows]
        return sorted(found)

    def add_learned(
        self, shares: Sequence[LearnedShare], rules_version: str, at: datetime
    ) -> Learned:
        """Keep a new version of what was learned; the oldest versions go."""
        c = schema.learned.c
        last = self._db.execute(sa.select(sa.func.max(c.version))).scalar() or 0
        kept = [(s.domain, s.kind, round(s.people, 2), round(s.machines, 2)) for s in shares]
        self._db.execute(
            schema.learned.insert().values(
                version=last + 1,
                at=at.timestamp(),
                rules_version=rules_version,
                shares=json_text(kept),
            )
        )
        self._db.execute(schema.learned.delete().where(c.version <= last + 1 - _KEPT_VERSIONS))
        return Learned(version=last + 1, at=at, shares=tuple(LearnedShare(*k) for k in kept))

    def learned(self) -> Learned | None:
        """The newest version of what was learned; None before the first."""
        c = schema.learned.c
        query = sa.select(schema.learned).order_by(c.version.desc()).limit(1)
        row = self._db.execute(query).one_or_none()
        if row is None:
            return None
        shares = tuple(LearnedShare(*item) for item in orjson.loads(row.shares))
        return Learned(version=row.version, at=moment(row.at), shares=shares)

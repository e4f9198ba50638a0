"""The named statements about what stands once and is used by many rows.

Numbers that a process remembers are good as long as no row is removed. `sweep_dictionaries` removes
those that nothing uses and raises the epoch; who writes looks at the epoch first, holding the same
lock as the sweep, so that no number of a removed row is ever written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa

from ..model import Actor, Evidence, Judgement
from . import schema
from .following import FollowingStatements
from .statements import chunks, evidence_list, evidence_of, insert_new

__all__ = ["DictionaryStatements", "judgement_key"]

_EPOCH = "dictionary-epoch"
_K = TypeVar("_K", bound=Hashable)


def judgement_key(judgement: Judgement) -> bytes:
    """What two judgements share when they are alike, as JSON: actor, probability, version of the
    rules, and signal, weight and sentence of each reason."""
    reasons = evidence_list(judgement.evidence)
    probability = round(judgement.probability_human, 4)
    return orjson.dumps((judgement.actor.value, probability, judgement.rules_version, reasons))


class DictionaryStatements(FollowingStatements):
    """What a transaction can do with wordings, judgements, and the names of many rows."""

    _holds_pen = False

    def be_the_writer(self) -> None:
        """Wait for others who write facts, and keep them waiting until the transaction ends."""
        self._hold_pen()

    def judgements(self, numbers: Iterable[int]) -> dict[int, Judgement]:
        """What stands under numbers of judgements; the delay in a sentence is left open."""
        return self._judgements(numbers)

    def _hold_pen(self) -> None:
        """Be the one who writes facts until the transaction ends; on SQLite one is anyway."""
        if not self._holds_pen:
            self.take_numbers("writer", 0)
            self._holds_pen = True
            c = schema.counter.c
            epoch = self._db.execute(sa.select(c.value).where(c.name == _EPOCH)).scalar() or 0
            if epoch != self._memory.epoch:
                self._memory.forget(epoch)

    def sweep_dictionaries(self) -> int:
        """Remove the wordings and judgements that nothing uses; returns how many."""
        self._hold_pen()
        h, e = schema.hit.c, schema.event.c
        used = [
            (schema.wording, (h.head_id, h.rest_id)),
            (schema.judgement, (e.judgement_id,)),
        ]
        removed = 0
        for table, columns in used:
            users = [sa.select(c).where(c.is_not(None)) for c in columns]
            done = self._db.execute(table.delete().where(table.c.id.not_in(sa.union(*users))))
            removed += done.rowcount
        if removed:
            self._memory.forget(self.take_numbers(_EPOCH, 1))
        return removed

    def _wording_numbers(self, texts: Iterable[bytes]) -> dict[bytes, int]:
        return self._numbers(
            "wording",
            schema.wording,
            texts,
            digest=_digest,
            row=lambda text: {"text": text.decode()},
        )

    def _wordings(self, numbers: Iterable[int]) -> dict[int, Any]:  # Any: JSON
        return self._values("wording", schema.wording, numbers, lambda r: orjson.loads(r.text))

    def _judgement_numbers(self, judgements: Iterable[Judgement]) -> dict[int, int]:
        """The numbers of judgements by the `id` of each object.

        Hits that are alike share one object, whose number is remembered as long as the object is.
        """
        keys: dict[int, bytes] = {}
        found: dict[int, int] = {}
        same: dict[int, Judgement] = {id(j): j for j in judgements}
        for name, judgement in same.items():
            number = self._memory.number_of_object(judgement)
            if number is None:
                keys[name] = judgement_key(judgement)
            else:
                found[name] = number
        numbers = self._numbers(
            "judgement", schema.judgement, set(keys.values()), digest=_digest, row=_judgement_row
        )
        for name, key in keys.items():
            found[name] = numbers[key]
            self._memory.learn_object(same[name], numbers[key])
        return found

    def _judgements(self, numbers: Iterable[int]) -> dict[int, Judgement]:
        return self._values("judgement", schema.judgement, numbers, _judgement)

    def _numbers(
        self,
        name: str,
        table: sa.Table,
        keys: Iterable[_K],
        *,
        digest: Callable[[_K], bytes],
        row: Callable[[_K], Mapping[str, Any]],
    ) -> dict[_K, int]:
        """The numbers of things, which are added when they are new."""
        found: dict[_K, int] = {}
        new: dict[bytes, _K] = {}
        for key in keys:
            number = self._memory.number_of(name, key)
            if number is None:
                new[digest(key)] = key
            else:
                found[key] = number
        if new:
            found.update(self._add(name, table, new, row))
        return found

    def _add(
        self,
        name: str,
        table: sa.Table,
        new: Mapping[bytes, _K],
        row: Callable[[_K], Mapping[str, Any]],
    ) -> dict[_K, int]:
        there = self._by_digest(table, new)
        missing = [{"digest": d, **row(key)} for d, key in new.items() if d not in there]
        if missing:
            self._db.execute(insert_new(self._db, table), missing)
            there.update(self._by_digest(table, {r["digest"]: 0 for r in missing}))
        for digest, number in there.items():
            self._memory.learn_number(name, new[digest], number)
        return {new[digest]: number for digest, number in there.items()}

    def _by_digest(self, table: sa.Table, digests: Iterable[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        wanted = list(digests)
        for start in range(0, len(wanted), 500):
            query = sa.select(table.c.digest, table.c.id).where(
                table.c.digest.in_(wanted[start : start + 500])
            )
            found.update({bytes(row.digest): row.id for row in self._db.execute(query)})
        return found

    def _values(
        self, name: str, table: sa.Table, numbers: Iterable[int], read: Callable[[Any], Any]
    ) -> dict[int, Any]:  # Any: what the dictionary holds
        found: dict[int, Any] = {}
        missing = []
        for number in set(numbers):
            value = self._memory.value_of(name, number)
            if value is None:
                missing.append(number)
            else:
                found[number] = value
        for some in chunks(missing):
            for row in self._db.execute(sa.select(table).where(table.c.id.in_(some))):
                found[row.id] = read(row)
                self._memory.learn_value(name, row.id, found[row.id])
        return found

    # names that a person gave or that mail carries

    def _domain_numbers(self, names: Iterable[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        missing = []
        for name in set(names):
            number = self._memory.number_of("domain", name)
            if number is None:
                missing.append(name)
            else:
                found[name] = number
        c = schema.recipient_domain.c
        for start in range(0, len(missing), 500):
            some = sorted(missing[start : start + 500])
            rows = [{"name": name} for name in some]
            self._db.execute(insert_new(self._db, schema.recipient_domain), rows)
            for number, name in self._db.execute(sa.select(c.id, c.name).where(c.name.in_(some))):
                found[name] = number
                self._memory.learn_number("domain", name, number)
        return found

    def _domain_names(self, numbers: Iterable[int]) -> dict[int, str]:
        table = schema.recipient_domain
        return self._values("domain", table, numbers, lambda row: row.name)

    def _campaign_number(self, account_id: int, name: str) -> int:
        values = {"created_at": datetime.now(UTC).timestamp()}
        return self._named(schema.campaign, account_id, name, values)

    def _tag_number(self, account_id: int, name: str) -> int:
        return self._named(schema.tag, account_id, name, {})

    def _named(self, table: sa.Table, account_id: int, name: str, values: Mapping[str, Any]) -> int:
        known = self._memory.number_of(table.name, (account_id, name))
        if known is not None:
            return known
        query = sa.select(table.c.id).where(table.c.account_id == account_id, table.c.name == name)
        number = self._db.execute(query).scalar()
        if number is None:
            row = {"account_id": account_id, "name": name, **values}
            self._db.execute(insert_new(self._db, table).values(row))
            number = self._db.execute(query).scalar_one()
        self._memory.learn_number(table.name, (account_id, name), int(number))
        return int(number)


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()


def _judgement_row(key: bytes) -> dict[str, Any]:
    actor, probability, version, reasons = orjson.loads(key)
    return {
        "actor": Actor(actor),
        "probability_human": probability,
        "rules_version": version,
        "evidence": orjson.dumps(reasons).decode(),
    }


def _judgement(row: Any) -> Judgement:  # a row of a select, which SQLAlchemy types as Any
    evidence: tuple[Evidence, ...] = evidence_of(orjson.loads(row.evidence))
    return Judgement(
        actor=row.actor,
        probability_human=row.probability_human,
        evidence=evidence,
        rules_version=row.rules_version,
    )

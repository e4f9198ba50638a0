"""The named statements about hits: written as they were seen, and put together again as they were.

A hit's method, version and headers stand once in `wording`, and so does what only some hits have;
the token is kept as the bytes that its letters stand for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from ..model import Hit
from . import schema
from .dictionaries import DictionaryStatements
from .records import StoredHit
from .statements import add_many, chunks, moment

__all__ = ["HIT_SQL", "HitStatements", "hit_columns", "pack_token", "unpack_token"]

_COLUMNS = (
    "id",
    "delivery_id",
    "at",
    "path_kind",
    "target",
    "address",
    "head_id",
    "rest_id",
    "token",
)
HIT_SQL = ", ".join(f"h.{name}" for name in _COLUMNS)  # `hit_columns` for the driver
_NO_REST: Mapping[str, Any] = {}
_RARE = ("to", "name", "bytes_sent", "completed", "action")


class HitStatements(DictionaryStatements):
    """What a transaction can do with hits."""

    def add_hits(self, hits: Sequence[tuple[int | None, Hit]]) -> list[StoredHit]:
        """Hits as they were seen, each with the delivery of ours that it means."""
        if not hits:
            return []
        self._hold_pen()
        first = self.take_numbers("hit", len(hits))
        heads = [orjson.dumps((h.method, h.http_version, h.headers)) for _, h in hits]
        rests = [_rest(h) for _, h in hits]
        numbers = self._wording_numbers({*heads, *(r for r in rests if r is not None)})
        stored = [
            StoredHit(id=number, delivery_id=delivery_id, hit=hit)
            for number, (delivery_id, hit) in enumerate(hits, first)
        ]
        rows = [
            (
                s.id,
                s.delivery_id,
                s.hit.at.timestamp(),
                s.hit.path_kind,
                s.hit.target,
                s.hit.address,
                numbers[head],
                None if rest is None else numbers[rest],
                pack_token(s.hit.token),
            )
            for s, head, rest in zip(stored, heads, rests, strict=True)
        ]
        add_many(self._db, schema.hit, _COLUMNS, rows)
        return stored

    def hits_of(self, delivery_ids: Iterable[int]) -> list[StoredHit]:
        """The hits of deliveries, by time."""
        e, h = schema.event.c, schema.hit.c
        found: list[StoredHit] = []
        for some in chunks(delivery_ids):
            query = sa.select(*hit_columns()).join(schema.event, h.id == e.hit_id)
            found += self._stored_hits(self._db.execute(query.where(e.delivery_id.in_(some))).all())
        return sorted(found, key=lambda s: (s.hit.at, s.id))

    def hits_numbered(self, hit_ids: Iterable[int]) -> list[StoredHit]:
        """Hits by their numbers; those that are not kept are left out."""
        h = schema.hit.c
        found: list[StoredHit] = []
        for some in chunks(hit_ids):
            rows = self._db.execute(sa.select(*hit_columns()).where(h.id.in_(some))).all()
            found += self._stored_hits(rows)
        return sorted(found, key=lambda s: (s.hit.at, s.id))

    def _stored_hits(self, rows: Sequence[Any]) -> list[StoredHit]:
        """The hits of rows that end with `hit_columns`."""
        numbers = {row[-3] for row in rows}
        numbers.update(row[-2] for row in rows if row[-2] is not None)
        wordings = self._wordings(numbers)
        return [_stored_hit(row[-len(_COLUMNS) :], wordings) for row in rows]


def hit_columns() -> list[sa.ColumnElement[Any]]:  # Any: of several types
    """What a hit is put together from."""
    h = schema.hit.c
    return [
        h.id.label("kept_hit_id"),
        h.delivery_id.label("hit_delivery_id"),
        h.at.label("hit_at"),
        h.path_kind.label("hit_path_kind"),
        h.target.label("hit_target"),
        h.address,
        h.head_id,
        h.rest_id,
        h.token,
    ]


def _rest(hit: Hit) -> bytes | None:
    """What only some hits have, as JSON; None when there is none of it."""
    rest: dict[str, object] = {}
    for name in _RARE:
        value = getattr(hit, name)
        if value is not None:
            rest[name] = value
    if hit.anonymous:
        rest["anonymous"] = True
    return orjson.dumps(rest) if rest else None


def _stored_hit(row: Sequence[Any], wordings: Mapping[int, Any]) -> StoredHit:  # Any: JSON
    number, delivery_id, at, path_kind, target, address, head_id, rest_id, token = row
    method, http_version, headers = wordings[head_id]
    rest = _NO_REST if rest_id is None else wordings[rest_id]
    hit = Hit(
        at=moment(at),
        path_kind=path_kind,
        method=method,
        token=unpack_token(token),
        delivery_id=delivery_id,
        target=target,
        address=address,
        http_version=http_version,
        headers=headers,
        **rest,
    )
    return StoredHit(id=number, delivery_id=delivery_id, hit=hit)


_IS_BASE32 = re.compile("[a-z2-7]+").fullmatch
_TO_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")


def pack_token(token: str) -> bytes:
    """A token as the bytes that its base32 stands for; anything else as its text behind a NUL."""
    bits = len(token) * 5
    spare = bits % 8
    if spare < 5 and _IS_BASE32(token):  # with five a letter would hold nothing but padding
        value = int(token.translate(_TO_DIGITS), 32)
        packed = (value >> spare).to_bytes(bits // 8, "big")
        if packed[:1] > b"\0" and not value & ((1 << spare) - 1):
            return packed
    return b"\0" + token.encode()


def unpack_token(packed: bytes) -> str:
    """The token of what `pack_token` made."""
    if packed[:1] == b"\0":
        return packed[1:].decode()
    return base64.b32encode(packed).decode().rstrip("=").lower()

"""The named statements about deliveries with very many hits, of which only some are read.

Whoever knows a beacon's address can fetch it as often as they like. Every hit is kept and counted,
but what a batch or a page reads of such a delivery is bounded: of each kind of hit (its path, and
who was behind it) the first ones and the newest. So a person's click is found among any number of
a program's fetches. The index of `event` by delivery, path, who and time answers without a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .schema.base import CODES, Who
from .schema.mail import HIT_COUNTERS
from .statements import Statements, among

__all__ = ["EDGE", "IN_DETAIL", "HammeredStatements"]

# Hits of one delivery up to which all are judged together. A gateway that follows every link of a
# newsletter twice makes 200; judging 400 takes some 20 ms (measured 2026-11-28).
IN_DETAIL = 400
# Beyond that: of each kind the first and as many of the newest. Above every count that the rules
# remark on within their windows.
EDGE = 50

_PATHS = ("o", "c", "a", "u", "n")
_COUNTED = " + ".join(f"d.{name}" for name in HIT_COUNTERS)


class HammeredStatements(Statements):
    """What a transaction can read of deliveries with very many hits."""

    def _hammered(self, delivery_ids: Iterable[int], most: int) -> dict[int, int]:
        """Those with more than `most` events of hits, and how many hits are counted of each (the
        sender's own are not). Reads at most `most` entries of the index for each."""
        condition, values = among(self._db, delivery_ids)
        rows = self._db.exec_driver_sql(
            f"SELECT d.id, {_COUNTED} FROM delivery d WHERE d.id {condition} AND EXISTS"
            " (SELECT 1 FROM event e WHERE e.delivery_id = d.id AND e.path_kind > ''"
            f" LIMIT 1 OFFSET {most:d})",
            (values,),
        )
        return {row[0]: row[1] for row in rows}

    def _edges(self, delivery_id: int) -> list[int]:
        """The first and the newest events of each kind of hit, at most `EDGE` of each."""
        parts = [
            _kind(delivery_id, f"= '{path}' AND who = {who:d}", f"at {way}, id {way}", EDGE)
            for path, who in _kinds()
            for way in ("", "DESC")
        ]
        return [row[0] for row in self._db.exec_driver_sql(" UNION ".join(parts))]

    def _first_events(self, delivery_id: int, most: int) -> list[int]:
        """The first events of all kinds together."""
        kinds = ["IS NULL", *(f"= '{path}' AND who = {who:d}" for path, who in _kinds())]
        parts = [_kind(delivery_id, kind, "at, id", most) for kind in kinds]
        query = f"{' UNION ALL '.join(parts)} ORDER BY at, id LIMIT {most:d}"
        return [row[0] for row in self._db.exec_driver_sql(query)]


def _kinds() -> Iterator[tuple[str, int]]:
    return ((path, who) for path in _PATHS for who in CODES[Who].values())


def _kind(delivery_id: int, kind: str, order: str, most: int) -> str:
    return (
        f"SELECT id, at FROM (SELECT id, at FROM event WHERE delivery_id = {delivery_id:d}"
        f" AND path_kind {kind} ORDER BY {order} LIMIT {most:d}) AS part"
    )

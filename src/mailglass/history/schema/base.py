"""What every table shares: the metadata, kinds of columns, and the numbers that stand for words.

The tables that grow with each hit keep a word of the model as a small number: 1 byte instead of 10.
A number is never given to another word.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Integer, MetaData, SmallInteger
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ...model import Actor, EventType, VerdictLevel

__all__ = ["CODES", "AutoId", "Dimension", "Period", "Who", "Word", "metadata"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A number that SQLite gives itself; BIGINT there would be a column beside the row number.
AutoId = BigInteger().with_variant(Integer, "sqlite")


class Who(StrEnum):
    """Who is behind a hit, as it is counted."""

    HUMAN = "human"  # a person, also one to whom it was forwarded
    MACHINE = "machine"
    UNDETERMINED = "undetermined"
    SENDER = "sender"  # the sender's own view, which counts for nothing


class Dimension(StrEnum):
    """What roll-ups are kept for; the key is 0, or the id of a message, campaign, tag, domain."""

    ACCOUNT = "account"
    MESSAGE = "message"
    CAMPAIGN = "campaign"
    TAG = "tag"
    DOMAIN = "domain"


class Period(StrEnum):
    """The stretch of time that a roll-up counts."""

    TOTAL = "total"
    DAY = "day"  # of UTC
    HOUR = "hour"


_EVENT_TYPES = {
    EventType.QUEUED: 1,
    EventType.DEFERRED: 2,
    EventType.DELIVERED: 3,
    EventType.BOUNCED: 4,
    EventType.REJECTED: 5,
    EventType.SUPPRESSED: 6,
    EventType.COMPLAINED: 7,
    EventType.AUTORESPONDED: 8,
    EventType.REPLIED: 9,
    EventType.UNSUBSCRIBED: 10,
    EventType.OBJECTED: 11,
    EventType.DISPLAYED: 12,
    EventType.OPENED: 13,
    EventType.CLICKED: 14,
    EventType.DOWNLOADED: 15,
    EventType.PREFETCHED: 16,
    EventType.PROXIED: 17,
    EventType.SCANNED: 18,
    EventType.PREVIEWED: 19,
    EventType.SELF_VIEWED: 20,
    EventType.FETCHED: 21,
}
_ACTORS = {
    Actor.HUMAN: 1,
    Actor.IMAGE_PROXY: 2,
    Actor.PRIVACY_PROXY: 3,
    Actor.PREFETCH: 4,
    Actor.SECURITY_SCANNER: 5,
    Actor.LINK_PREVIEW: 6,
    Actor.SENDER: 7,
    Actor.THIRD_PARTY: 8,
    Actor.CRAWLER: 9,
    Actor.TOOL: 10,
    Actor.UNKNOWN: 11,
}
_LEVELS = {
    VerdictLevel.PENDING: 1,
    VerdictLevel.UNDELIVERED: 2,
    VerdictLevel.DELIVERED: 3,
    VerdictLevel.MACHINE_ONLY: 4,
    VerdictLevel.MAYBE_OPENED: 5,
    VerdictLevel.OPENED: 6,
    VerdictLevel.ENGAGED: 7,
    VerdictLevel.ANSWERED: 8,
}
CODES: Mapping[type[StrEnum], Mapping[Any, int]] = {  # Any: members of the key
    EventType: _EVENT_TYPES,
    Actor: _ACTORS,
    VerdictLevel: _LEVELS,
    Who: {Who.HUMAN: 1, Who.MACHINE: 2, Who.UNDETERMINED: 3, Who.SENDER: 4},
    Dimension: {word: number for number, word in enumerate(Dimension, 1)},
    Period: {Period.TOTAL: 0, Period.DAY: 1, Period.HOUR: 2},
}

_W = TypeVar("_W", bound=StrEnum)


class Word(TypeDecorator[_W], Generic[_W]):
    """A column that holds a word of an enumeration as the number that `CODES` gives it."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, kind: type[_W]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: _W | None, dialect: Dialect) -> int | None:
        return None if value is None else CODES[self.kind][value]

    def process_result_value(self, value: int | None, dialect: Dialect) -> _W | None:
        return None if value is None else _WORDS[self.kind][value]


_WORDS: dict[type[StrEnum], dict[int, Any]] = {
    kind: {number: word for word, number in codes.items()} for kind, codes in CODES.items()
}

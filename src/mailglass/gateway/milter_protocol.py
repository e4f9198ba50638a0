"""The milter protocol, version 6, as Postfix and Sendmail speak it: packets, negotiation, replies.

There is no RFC. The description is Sendmail's include/libmilter/mfdef.h and its documentation of
libmilter; Postfix speaks the same (MILTER_README, noted 2026-11-28). A packet is its length in four
bytes (network order), a command of one byte, and data. Knows nothing of messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag

__all__ = [
    "ACCEPT",
    "CONTINUE",
    "MAX_PACKET_BYTES",
    "Action",
    "BadPacket",
    "Offer",
    "Step",
    "change_header",
    "insert_header",
    "packet",
    "read_offer",
    "replace_body",
    "strings",
]

VERSION = 6
# MILTER_MAX_DATA_SIZE; Postfix and Sendmail send no more than this in one packet of a body, and a
# header field is bounded by Postfix's header_size_limit (102,400 bytes).
MAX_CHUNK_BYTES = 65_535
MAX_PACKET_BYTES = 1 << 20


class BadPacket(ValueError):
    """What came is not the milter protocol."""


class Action(IntFlag):
    """What a filter may do to a message (SMFIF_...)."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    CHANGE_HEADERS = 0x10


class Step(IntFlag):
    """What a filter need not be told, and what it need not answer (SMFIP_...)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_ANSWER_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    NO_ANSWER_MAIL = 0x4000
    NO_ANSWER_RECIPIENT = 0x8000
    NO_ANSWER_END_OF_HEADER = 0x40000
    NO_ANSWER_BODY = 0x80000
    LEADING_SPACE = 0x100000  # a header's value comes with the space behind its colon


@dataclass(frozen=True, slots=True)
class Offer:
    """What one side of a negotiation can do."""

    version: int
    actions: int
    steps: int

    def answer(self, actions: Action, steps: Step) -> bytes:
        """The packet that takes of this offer what is wanted and there."""
        data = struct.pack("!III", min(self.version, VERSION), actions, self.steps & steps)
        return packet(b"O", data)


def packet(command: bytes, data: bytes = b"") -> bytes:
    """One packet."""
    return struct.pack("!I", len(data) + 1) + command + data


CONTINUE = packet(b"c")
ACCEPT = packet(b"a")


def read_offer(data: bytes) -> Offer:
    """What the mail server offers; raises BadPacket."""
    if len(data) < 12:
        raise BadPacket("the negotiation is cut short")
    return Offer(*struct.unpack_from("!III", data))


def strings(data: bytes) -> list[bytes]:
    """The strings of a packet, each ended by a NUL."""
    return data.split(b"\0")[:-1]


def replace_body(body: bytes) -> Iterator[bytes]:
    """The packets that put `body` in the old one's place."""
    for start in range(0, len(body), MAX_CHUNK_BYTES):
        yield packet(b"b", body[start : start + MAX_CHUNK_BYTES])
    if not body:
        yield packet(b"b")


def change_header(name: bytes, number: int, value: bytes = b"") -> bytes:
    """Give the field of this name and number (from 1) another value; an empty one removes it."""
    return packet(b"m", struct.pack("!I", number) + name + b"\0" + value + b"\0")


def insert_header(place: int, name: bytes, value: bytes) -> bytes:
    """A new field before the field of number `place` (from 0)."""
    return packet(b"i", struct.pack("!I", place) + name + b"\0" + value + b"\0")

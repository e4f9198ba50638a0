"""A hit as one line of text, and back.

    8 hexadecimal digits of CRC-32 (of the JSON bytes), a space, a JSON object, a line feed

JSON escapes line feeds and NUL, so a line ends where it seems to and never begins with NUL, which
is what the unused rest of a segment is filled with. Fields without a value are left out.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from ..errors import CorruptRecord
from ..model import Hit

__all__ = [
    "MAX_LINE_BYTES",
    "decode",
    "encode",
    "encode_beacon",
    "prepare",
    "seal",
    "unseal",
]

MAX_LINE_BYTES = (
    65536  # the collector bounds a hit to about a third of this; a longer line is damage
)

_OPTIONAL = ("to", "name", "bytes_sent", "completed", "action")


def prepare(method: str, http_version: str, headers: Mapping[str, str]) -> bytes:
    """What hits with the same head have in common, encoded once (see `encode_beacon`)."""
    common = {"method": method, "http_version": http_version, "headers": headers}
    return orjson.dumps(common)[1:-1]


def encode_beacon(
    at: bytes, token: bytes, address: str, delivery_id: int, target: int, head: bytes
) -> bytes:
    """The line of a beacon's hit from its parts, for whoever counts microseconds: 1 instead of 5.

    `at` is written as RFC 3339 with milliseconds, `token` has verified (so that none of the parts
    needs escaping), `head` comes from `prepare`.
    """
    text = (
        b'{"at":"%b","path_kind":"o","token":"%b","address":"%b","delivery_id":%d,"target":%d,%b}'
        % (at, token, address.encode(), delivery_id, target, head)
    )
    return b"%08x %b\n" % (crc32(text), text)


def encode(hit: Hit) -> bytes:
    """The line of a hit, with its line feed."""
    record: dict[str, object] = {
        "at": hit.at,
        "path_kind": hit.path_kind,
        "method": hit.method,
        "token": hit.token,
        "address": hit.address,
        "http_version": hit.http_version,
        "headers": hit.headers,
    }
    if hit.delivery_id is not None:
        record["delivery_id"] = hit.delivery_id
        record["target"] = hit.target
        if hit.anonymous:
            record["anonymous"] = True
    for field in _OPTIONAL:
        value = getattr(hit, field)
        if value is not None:
            record[field] = value
    return seal(orjson.dumps(record, option=orjson.OPT_UTC_Z))


def decode(line: bytes) -> Hit:
    """The hit of a line, with or without its line feed; fields it does not know are passed over.

    Raises CorruptRecord when the checksum or the fields do not hold.
    """
    record = unseal(line)
    try:
        return Hit(
            at=datetime.fromisoformat(record["at"]),
            path_kind=record["path_kind"],
            method=record["method"],
            token=record["token"],
            delivery_id=record.get("delivery_id"),
            target=record.get("target"),
            anonymous=record.get("anonymous", False),
            address=record["address"],
            http_version=record["http_version"],
            headers=record["headers"],
            **{field: record[field] for field in _OPTIONAL if field in record},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptRecord(f"the record is no hit: {error!r}") from error


def seal(text: bytes) -> bytes:
    """JSON bytes with their checksum before and a line feed after them."""
    return b"%08x %b\n" % (crc32(text), text)


def unseal(line: bytes) -> dict[str, Any]:  # Any: JSON; `decode` checks what it takes out
    """The JSON object of a line whose checksum holds; raises CorruptRecord otherwise."""
    text = line[9:].removesuffix(b"\n")
    if line[:9] != b"%08x " % crc32(text):
        raise CorruptRecord(f"the checksum does not match: {line[:40]!r}")
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CorruptRecord(f"the record is not JSON: {line[:40]!r}") from error
    if not isinstance(record, dict):
        raise CorruptRecord(f"the record is no object: {line[:40]!r}")
    return record

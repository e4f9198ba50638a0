"""Hits from a file of JSON lines, as others write them down: into a `Hit` and its `Surroundings`.

The fields that a labelled set carries beside the hit (`actor`, `verdict` and their like) are never
read.  What stands in `context` is a free vocabulary, which `context` reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from ..errors import InputError
from ..model import Hit
from .context import facts_of_context
from .surroundings import Origin, Surroundings

__all__ = ["BadHit", "hit_of_record"]

_PATHS = {"open": "o", "click": "c", "download": "a", "attachment": "a", "unsubscribe": "u"}
# The fields that are read; one of them makes an object a hit, however little it says.
_FIELDS = {
    *("id", "kind", "method", "ip", "ip_class", "asn", "rdns"),
    *("user_agent", "ua_known", "headers", "context", "t_since_delivery_s"),
}
_WRITTEN_ADDRESS = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.%\w]{2,60})\](?::\d{1,5})?|(?P<four>[\d.]{7,15}):\d{1,5}|[^\[\]]{2,60}"
)
_DELIVERED_AT = datetime(2000, 1, 1, tzinfo=UTC)  # any: only the delay counts


class BadHit(InputError):
    """A line holds no hit that can be judged."""

    id = "bad-hit"


def hit_of_record(record: object) -> tuple[str, Hit, Surroundings]:
    """The line's id, its hit and what the line says of its surroundings.

    Raises BadHit when it is no object, or a field has a type that the contract does not know.
    """
    if not isinstance(record, dict):
        raise BadHit("a line must hold one JSON object")
    if not record.keys() & _FIELDS:
        raise BadHit(
            f"the object says nothing of a hit: it has none of {', '.join(sorted(_FIELDS))}"
        )
    kind = (_text(record, "kind") or "open").lower()
    if kind not in _PATHS:
        raise BadHit(f"kind {kind!r} is none of {', '.join(_PATHS)}")
    agent = _text(record, "user_agent")
    delay = _number(record, "t_since_delivery_s")
    headers = _headers(record)
    if agent is not None:
        headers["user-agent"] = agent
    hit = Hit(
        at=_moment(delay),
        path_kind=_PATHS[kind],
        method=(_text(record, "method") or "GET").upper(),
        token="",
        delivery_id=None,
        target=None,
        address=_address(_text(record, "ip") or ""),
        http_version="1.1",
        headers=headers,
    )
    return str(record.get("id", "")), hit, _surroundings(record, kind, delay, headers)


def _surroundings(
    record: Mapping[str, Any], kind: str, delay: float | None, headers: Mapping[str, str]
) -> Surroundings:
    word, asn = _text(record, "ip_class"), _number(record, "asn")
    if asn is not None and not (0 <= asn < 1 << 32 and asn.is_integer()):  # RFC 6793
        raise BadHit(f"asn {asn:g} is no number of an autonomous system")
    agent = headers.get("user-agent")
    facts = facts_of_context(_context(record), kind, f"{agent or ''} {word or ''}".lower())
    return Surroundings(
        agent_known=agent is not None or bool(record.get("ua_known")),
        seconds_since_delivery=delay,
        origin=Origin(
            asn=None if asn is None else int(asn),
            host_name=_text(record, "rdns"),
            host_name_confirmed=facts.pop("host_name_confirmed", None),
            network_word=word,
        ),
        **facts,
    )


def _address(text: str) -> str:
    """The address as others write it down, with a port or in brackets; empty when it is none.

    What is no address stands in no list either, and that says nothing of who asked.
    """
    found = _WRITTEN_ADDRESS.fullmatch(text.strip())
    if found is None:
        return ""
    try:
        return str(ip_address(found["six"] or found["four"] or found[0]))
    except ValueError:
        return ""


def _moment(delay: float | None) -> datetime:
    try:
        return _DELIVERED_AT + timedelta(seconds=delay or 0)
    except OverflowError as error:
        raise BadHit(f"t_since_delivery_s {delay!r} is no delay") from error


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadHit(f"{name} must be a text or null, not {type(value).__name__}")


def _number(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value.upper().removeprefix("AS") if name == "asn" else value)
        except ValueError:
            raise BadHit(f"{name} {value!r} is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise BadHit(f"{name} must be a number or null")
    return float(value)


def _headers(record: Mapping[str, Any]) -> dict[str, str]:
    headers = record.get("headers") or {}
    if isinstance(headers, list):
        pairs = [pair for pair in headers if isinstance(pair, list) and len(pair) == 2]
        headers = {str(name): value for name, value in pairs}
    if not isinstance(headers, dict):
        raise BadHit("headers must be an object")
    return {
        str(name).lower().replace("_", "-"): str(value)
        for name, value in headers.items()
        if value is not None
    }


def _context(record: Mapping[str, Any]) -> Mapping[str, Any]:
    context = record.get("context") or {}
    if not isinstance(context, dict):
        raise BadHit("context must be an object")
    return context

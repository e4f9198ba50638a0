"""The plan: what was changed, why, and how to take it back exactly.

Applying the edits to the original gives the instrumented message and nothing else differs; the old
bytes stand beside the new ones, so that the plan alone undoes them.  Lengths and digests of both
sides tie a plan to its message.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ..errors import InputError, PlanMismatch
from ..mime import Edit, pieces

__all__ = [
    "LeftAlone",
    "Plan",
    "PlannedEdit",
    "apply",
    "digest",
    "read_plan",
    "restore",
    "untouched",
    "write_plan",
]

_VERSION = 1
_CHUNK = 57 * 1024  # bytes encoded at a time: a multiple of three, so that chunks join


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEdit(Edit):
    """One change of the message."""

    old: bytes | memoryview
    kind: str  # beacon, link, attachment, ... as docs/explain/instrumentation.md lists them
    target: str | None  # a link's destination, an attachment's digest
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """Something that tracking could have changed and did not."""

    what: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes of one message for one recipient."""

    edits: tuple[PlannedEdit, ...]  # by offset, not overlapping
    left_alone: tuple[LeftAlone, ...]
    original_length: int
    original_digest: str
    instrumented_digest: str


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """BLAKE2b-128 over the pieces of a message, in hexadecimal."""
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def apply(original: bytes, plan: Plan) -> Iterator[bytes | memoryview]:
    """The instrumented message in pieces; raises PlanMismatch when the plan is for another."""
    if len(original) != plan.original_length or digest([original]) != plan.original_digest:
        raise PlanMismatch("the plan was made for another message")
    return pieces(original, plan.edits)


def untouched(raw: bytes, reason: str) -> Plan:
    """The plan of something that was left as it is, as a whole."""
    found = digest([raw])
    return Plan(
        edits=(),
        left_alone=(LeftAlone(what="message", where="part 0", reason=reason),),
        original_length=len(raw),
        original_digest=found,
        instrumented_digest=found,
    )


def restore(instrumented: bytes, plan: Plan) -> bytes:
    """The original bytes.

    Raises PlanMismatch when these are not the bytes that the plan made: nothing is guessed.
    """
    if digest([instrumented]) != plan.instrumented_digest:
        raise PlanMismatch("the message is not the one that the plan made; was it changed since?")
    backwards: list[Edit] = []
    shift = 0
    for edit in plan.edits:
        backwards.append(
            Edit(offset=edit.offset + shift, length=len(edit.new), new=bytes(edit.old))
        )
        shift += len(edit.new) - edit.length
    original = b"".join(pieces(instrumented, backwards))
    if digest([original]) != plan.original_digest:
        raise PlanMismatch("the plan's old bytes do not give the original back")
    return original


def write_plan(plan: Plan) -> Iterator[bytes]:
    """The plan as JSON, in pieces, so that a removed attachment is not held twice."""
    head = {
        "version": _VERSION,
        "original": {"length": plan.original_length, "blake2b128": plan.original_digest},
        "instrumented": {"blake2b128": plan.instrumented_digest},
    }
    yield _json(head)[:-1] + b',\n"edits": ['
    for number, edit in enumerate(plan.edits):
        fields = {
            "offset": edit.offset,
            "length": edit.length,
            "kind": edit.kind,
            "target": edit.target,
            "reason": edit.reason,
            "new": base64.b64encode(edit.new).decode("ascii"),
        }
        yield (b",\n" if number else b"\n") + _json(fields)[:-1] + b', "old": "'
        for start in range(0, len(edit.old), _CHUNK):
            yield base64.b64encode(edit.old[start : start + _CHUNK])
        yield b'"}'
    yield b'],\n"left_alone": ['
    for number, item in enumerate(plan.left_alone):
        fields = {"what": item.what, "where": item.where, "reason": item.reason}
        yield (b",\n" if number else b"\n") + _json(fields)
    yield b"]}\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode("ascii")


def read_plan(data: bytes) -> Plan:
    """A plan from its JSON; raises InputError when it is none."""
    try:
        found = json.loads(data)
        if found["version"] != _VERSION:
            raise InputError(f"the plan has version {found['version']!r}, this program reads 1")
        return Plan(
            edits=tuple(map(_read_edit, found["edits"])),
            left_alone=tuple(
                LeftAlone(what=str(i["what"]), where=str(i["where"]), reason=str(i["reason"]))
                for i in found["left_alone"]
            ),
            original_length=int(found["original"]["length"]),
            original_digest=str(found["original"]["blake2b128"]),
            instrumented_digest=str(found["instrumented"]["blake2b128"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise InputError(f"this is no plan: {error}") from error


def _read_edit(fields: dict[str, Any]) -> PlannedEdit:  # Any: JSON, checked field by field
    edit = PlannedEdit(
        offset=int(fields["offset"]),
        length=int(fields["length"]),
        new=base64.b64decode(fields["new"], validate=True),
        old=base64.b64decode(fields["old"], validate=True),
        kind=str(fields["kind"]),
        target=None if fields["target"] is None else str(fields["target"]),
        reason=str(fields["reason"]),
    )
    if len(edit.old) != edit.length:
        raise ValueError(f"the edit at {edit.offset} says {edit.length} bytes, holds others")
    return edit


def where(path: str, character: int | None = None) -> str:
    """A place for a person: the part as IMAP counts, and the character of its decoded text."""
    return f"part {path}" if character is None else f"part {path}, character {character}"

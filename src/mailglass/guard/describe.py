"""A report as other programs read it, and as a person does."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from ..errors import InputError
from ..model import Evidence
from .judge import Band
from .links import Link
from .report import Report, Resource
from .sanitise import Clean

__all__ = ["as_object", "as_text", "clean_object", "failure_object", "kept_object"]


def as_object(report: Report, file: str, *, everything: bool = False) -> dict[str, Any]:
    """The report as JSON values; with `everything` the plain resources too, as `resources`."""
    found: dict[str, Any] = {
        "file": file,
        "trackers": [_resource(resource) for resource in report.trackers],
        "links": [_link(link) for link in report.links],
        "receipt_requests": list(report.receipt_requests),
        "plain": report.count(Band.PLAIN),
        "sealed": list(report.sealed),
        "unread": [{"part": path, "why": why} for path, why in report.unread],
        "ambiguous": list(report.ambiguous),
        "scripts": report.scripts,
        "error": None,
    }
    if everything:
        found["resources"] = [_resource(resource) for resource in report.resources]
    return found


def clean_object(cleaned: Clean, file: str, original: bytes, *, offset: int = 0) -> dict[str, Any]:
    """A report on what was cleaned, with what it takes to undo it (`undoing`).

    `offset` is where the message began in its file: several of one mbox stand one after the other.
    """
    return as_object(cleaned.report, file) | {
        "edits": [
            {
                "offset": edit.offset,
                "length": len(edit.old),
                "old": base64.b64encode(edit.old).decode("ascii"),
                "new": base64.b64encode(edit.new).decode("ascii"),
                "reasons": list(edit.reasons),
            }
            for edit in cleaned.edits
        ],
        "left_alone": list(cleaned.left_alone),
        "offset": offset,
        "original": _fingerprint(original),
        "clean": _fingerprint(cleaned.data),
    }


def kept_object(file: str, error: InputError, data: bytes, *, offset: int = 0) -> dict[str, Any]:
    """What stands in a report's place for what is no message and stays in its mailbox as it is."""
    same = _fingerprint(data)
    more = {"edits": [], "left_alone": [], "offset": offset, "original": same, "clean": same}
    return failure_object(file, error) | more


def _fingerprint(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def failure_object(file: str, error: InputError) -> dict[str, Any]:
    """What stands in a report's place for what could not be read."""
    lists = ("trackers", "links", "receipt_requests", "sealed", "unread", "ambiguous")
    nothing = {"plain": 0, "scripts": 0}
    return {"file": file, **{name: [] for name in lists}, **nothing, "error": str(error)}


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "url": resource.url,
        "loader": resource.loader,
        "band": resource.band.value,
        "score": resource.score,
        "vendor": resource.vendor,
        "evidence": [_evidence(item) for item in resource.evidence],
        "part": resource.part,
        "shown": resource.shown,
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    return {"signal": item.signal, "weight": item.weight, "text": item.text}


def _link(link: Link) -> dict[str, Any]:
    return {
        "url": link.url,
        "unwrapped": link.unwrapped,
        "cleaned": link.cleaned,
        "vendor": link.vendor,
        "opaque": link.opaque,
        "carries": f"{link.carries.address} ({link.carries.form})" if link.carries else None,
        "part": link.part,
    }


def as_text(report: Report, file: str) -> Iterator[str]:
    """The report as lines for a person."""
    yield file
    trackers, maybes = report.count(Band.TRACKER), report.count(Band.MAYBE)
    plain = report.count(Band.PLAIN)
    yield f"  {trackers} tracker{'s' * (trackers != 1)}, {maybes} maybe, {plain} plain"
    for resource in report.trackers:
        yield from _resource_lines(resource)
    yield from _link_lines(report.links)
    for request in report.receipt_requests:
        yield f"  receipt asked for  {request}"
    for part in report.sealed:
        yield f"  signed or encrypted, left alone  {part}"
    for path, why in report.unread:
        yield f"  not looked into  part {path}: {why}"
    for part in report.ambiguous:
        yield f"  written so that programs read it in different ways  part {part}"
    if report.scripts:
        yield f"  {report.scripts} script{'s' * (report.scripts != 1)}, for programs that run them"


def _resource_lines(resource: Resource) -> Iterator[str]:
    who = f" {resource.vendor}" if resource.vendor else ""
    where = "" if resource.shown else ", in an attachment"
    yield f"  {resource.band.value}{who} ({resource.score:.0%}) {resource.loader}{where}"
    yield f"    {_short(resource.url)}"
    for item in resource.evidence:
        yield f"    {item.weight:+.1f} {item.text}"


def _link_lines(links: tuple[Link, ...]) -> Iterator[str]:
    tracked = [link for link in links if link.is_tracked or link.cleaned]
    yield f"  {len(links)} link{'s' * (len(links) != 1)}, {len(tracked)} of them tell who follows"
    for link in dict.fromkeys(tracked):
        yield f"    {link.vendor or 'link'}  {_short(link.url)}"
        if link.opaque:
            yield "      cannot be resolved without telling the sender"
        if link.unwrapped or link.cleaned:
            yield f"      goes to {_short(link.cleaned or link.unwrapped or '')}"
        if link.carries:
            yield f"      carries {link.carries.address} ({link.carries.form})"


def _short(url: str) -> str:
    """The URL on one line of a terminal, without control characters."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in url)
    return plain if len(plain) <= 160 else plain[:157] + "..."

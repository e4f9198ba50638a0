"""The header of the whole message: fields taken out, fields put in, signatures that break.

Control fields (`X-Mailglass-*`) never leave the house.  Everything else is changed only when an
option asks: List-Unsubscribe and List-Unsubscribe-Post (RFC 8058), Disposition-Notification-To
(RFC 8098 section 2.1), a label in the subject where a provider's rule wants one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from ..errors import ConfigurationError
from ..mime import Field, Filling, Hole, Message, Patch, parse_parameters
from ..tokens import unsubscribe_mailto
from . import reasons
from .drafts import Draft
from .options import CONTROL_PREFIX, Options
from .plan import LeftAlone
from .stamps import Stamps

__all__ = ["broken_signatures", "draft_headers"]


def draft_headers(
    message: Message, options: Options, stamps: Stamps
) -> tuple[list[Draft], list[LeftAlone]]:
    """The changes of the message's own header, and what an option asked for in vain."""
    drafts = [_removal(field) for field in message.root.fields if _is_control(field)]
    left: list[LeftAlone] = []
    if options.subject_label is not None:
        drafts += _label(message, options.subject_label, left)
    if options.list_unsubscribe and not _is_present(message, "list-unsubscribe", left):
        drafts.append(_added(message, _ways_out(message, options, stamps)))
        if message.root.field("list-unsubscribe-post") is None:
            drafts.append(_added(message, ("List-Unsubscribe-Post: List-Unsubscribe=One-Click",)))
    name = "disposition-notification-to"
    if options.receipt_to is not None and not _is_present(message, name, left):
        if not re.fullmatch(r"[!-~]+(?: [!-~]+)*", options.receipt_to):
            raise ConfigurationError(f"no receipt can go to {options.receipt_to!r}: not ASCII")
        drafts.append(_added(message, (f"Disposition-Notification-To: {options.receipt_to}",)))
    return drafts, left


def _ways_out(message: Message, options: Options, stamps: Stamps) -> tuple[str | Hole, ...]:
    """List-Unsubscribe with the URL first, which one-click asks for, and an address behind it."""
    stamp = stamps.unsubscribe()
    pieces = ("List-Unsubscribe: <", *stamp, ">")
    if options.unsubscribe_domain is None:
        return pieces
    before, after = unsubscribe_mailto("\0", options.unsubscribe_domain).split("\0")
    fold = message.line_end.decode("ascii")
    return (*pieces, f",{fold} <{before}", stamp[1], f"{after}>")


def _is_control(field: Field) -> bool:
    return field.name.startswith(CONTROL_PREFIX)


def _removal(field: Field) -> Draft:
    patch = Patch(field.start, field.end - field.start, (), ())
    return Draft(patch, "control-header", None, reasons.CONTROL_FIELD)


def _is_present(message: Message, name: str, left: list[LeftAlone]) -> bool:
    if message.root.field(name) is None:
        return False
    left.append(LeftAlone(what=name, where="header", reason=reasons.ONE_ALREADY))
    return True


def _added(message: Message, pieces: Sequence[str | Hole]) -> Draft:
    """A field after the last one; long ones are folded by nobody: a URL cannot be."""
    last = message.root.fields[-1].end
    line_end = message.line_end
    new: list[bytes | Filling] = []
    if message.raw[last - 1 : last] not in (b"\n", b"\r"):
        new.append(line_end)
    new += [
        piece.encode("ascii") if isinstance(piece, str) else Filling(piece.number, piece.length)
        for piece in pieces
    ]
    new.append(line_end)
    name = str(pieces[0]).partition(":")[0]
    return Draft(Patch(last, 0, tuple(new), ()), "header", None, f"{name} was asked for")


def _label(message: Message, label: str, left: list[LeftAlone]) -> list[Draft]:
    if not re.fullmatch(r"[!-~]+(?: [!-~]+)*", label):
        raise ConfigurationError(f"the subject label {label!r} must be ASCII")
    field = message.root.field("subject")
    if field is None:
        return [_added(message, (f"Subject: {label}",))]
    value = field.value(message.raw)
    if value == label or value.startswith(f"{label} "):
        left.append(LeftAlone(what="subject", where="header", reason=reasons.LABEL_ALREADY))
        return []
    after = message.raw[field.value_start : field.value_start + 1]
    offset = field.value_start + (after in (b" ", b"\t"))
    new = (
        label.encode("ascii") + b" " if offset > field.value_start else b" " + label.encode() + b" "
    )
    patch = Patch(offset, 0, (new,), ())
    return [Draft(patch, "header", None, f"the label {label} was asked for")]


def broken_signatures(message: Message, patches: Sequence[Patch]) -> list[LeftAlone]:
    """The DKIM signatures (RFC 6376) whose signed content the patches change.

    Signatures belong after instrumentation; one that is there already is left in place and named.
    """
    signatures = [field for field in message.root.fields if field.name == "dkim-signature"]
    if not signatures:
        return []
    body = message.root.body_start
    body_changes = any(patch.offset >= body for patch in patches)
    touched = _touched_fields(message, [patch for patch in patches if patch.offset < body])
    found = []
    for field in signatures:
        tags = parse_parameters(f"x;{field.value(message.raw)}")[1]
        signed = set(re.findall(r"[^\s:]+", tags.get("h", "").lower()))
        if body_changes or touched & signed:
            domain = tags.get("d", "?")[:100]
            found.append(
                LeftAlone(
                    what=f"DKIM-Signature of {domain}",
                    where="header",
                    reason=reasons.BREAKS_SIGNATURE,
                )
            )
    return found


def _touched_fields(message: Message, patches: Sequence[Patch]) -> set[str]:
    """The names of the fields that patches of the header add, change or remove."""
    fields = message.root.fields
    starts = [field.start for field in fields]
    touched = set()
    for patch in patches:
        text = b"".join(p for p in patch.pieces if isinstance(p, bytes))
        if patch.length == 0:
            touched.add(text.partition(b":")[0].strip().decode("latin-1").lower())
        place = bisect_right(starts, patch.offset) - 1
        if place >= 0 and patch.offset < fields[place].end:
            touched.add(fields[place].name)
    return touched

"""Reads disposition notifications (RFC 8098).

`displayed` says that a program showed the message, no more: the RFC itself calls it no proof of
reading. `automatic-action` is no person. A filter's refusal in this form (sieve `reject`, RFC 5429)
is a bounce.
"""

from __future__ import annotations

from dataclasses import dataclass

from .addresses import clean_address
from .parts import Fields, read_fields

__all__ = ["Disposition", "read_disposition"]

_REFUSALS = ("deleted", "denied", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What a notification says."""

    recipient: str | None
    disposition: str  # as `manual-action/MDN-sent-manually; displayed`, one space after the `;`
    message_id: str | None  # of the message that it is about
    is_refusal: bool


def read_disposition(report: str, fields: Fields) -> Disposition:
    """The fields of the report part, with those of the mail that carries it."""
    told = read_fields(report.replace("\n\n", "\n"))
    modes, _, kind = told.get("disposition", ("",))[0].partition(";")
    kind = kind.strip()
    recipient = _first(told, "final-recipient") or _first(told, "original-recipient")
    return Disposition(
        recipient=clean_address(recipient) or clean_address(_first(fields, "from")),
        disposition=f"{modes.strip()}; {kind}" if kind else modes.strip(),
        message_id=_first(told, "original-message-id").strip() or None,
        is_refusal=_is_refusal(modes.lower(), kind.lower(), fields),
    )


def _first(fields: Fields, name: str) -> str:
    return fields.get(name, ("",))[0]


def _is_refusal(modes: str, kind: str, fields: Fields) -> bool:
    said = f"{_first(fields, 'auto-submitted')} {_first(fields, 'subject')}".lower()
    return (
        kind.startswith(_REFUSALS)
        and modes.lstrip().startswith("automatic-action")
        and "reject" in said
    )

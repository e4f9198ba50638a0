"""Reads the JSON notifications of Amazon SES that come by mail (through SNS).

Documented at docs.aws.amazon.com/ses/latest/dg/notification-contents.html (read 2026-11-22).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..replies import explain_reply, is_status
from .addresses import clean_address
from .records import Action, Kind, Record, Report

__all__ = ["read_notification"]


def read_notification(text: str) -> Report | None:
    """The records of a notification of the types Bounce, Complaint and Delivery, else None."""
    told = _object(text)
    if told and isinstance(told.get("Message"), str):
        told = _object(told["Message"])  # SNS wraps it once more
    if not told:
        return None
    kind = told.get("notificationType") or told.get("eventType")
    reader = {"Bounce": _bounce, "Complaint": _complaint, "Delivery": _delivery}.get(str(kind))
    return reader(_mapping(told.get(str(kind).lower()))) if reader else None


# JSON of others: any value can be of any type, and every use below checks.
def _object(text: str) -> dict[str, Any] | None:
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    body = text[start : end + 1]
    for candidate in (body, body.replace("\n", "")):  # mail programs fold the long lines
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _address(value: object) -> str | None:
    return clean_address(value) if isinstance(value, str) else None


def _bounce(told: Mapping[str, Any]) -> Report:
    records = [_failed(_mapping(entry)) for entry in _listed(told.get("bouncedRecipients"))]
    return Report(kind=Kind.BOUNCE, records=tuple(records))


def _failed(entry: Mapping[str, Any]) -> Record:
    diagnostic = str(entry.get("diagnosticCode") or "").removeprefix("smtp;").strip()
    status = str(entry.get("status") or "")
    recipient = _address(entry.get("emailAddress"))
    explained = explain_reply(diagnostic, status=status if is_status(status) else None)
    return Record(
        recipient=recipient,
        action=Action.FAILED,
        enhanced_status=explained.enhanced_status,
        reply_code=explained.reply_code,
        class_=explained.class_,
        permanent=explained.permanent,
        suppress=explained.suppress,
        diagnostic=diagnostic or None,
    )


def _complaint(told: Mapping[str, Any]) -> Report:
    kind = str(told.get("complaintFeedbackType") or "abuse")
    found = [
        _address(_mapping(e).get("emailAddress")) for e in _listed(told.get("complainedRecipients"))
    ]
    records = [Record(recipient=a, feedback_type=kind, suppress=kind != "not-spam") for a in found]
    return Report(kind=Kind.COMPLAINT, records=tuple(records))


def _delivery(told: Mapping[str, Any]) -> Report:
    reply = str(told.get("smtpResponse") or "")
    status = next((word for word in reply.split()[:3] if is_status(word)), None)
    records = [
        Record(
            recipient=_address(address),
            action=Action.DELIVERED,
            enhanced_status=status,
            reply_code=int(reply[:3]) if reply[:3].isdecimal() else None,
            diagnostic=reply or None,
            remote_mta=str(told.get("reportingMTA") or "") or None,
        )
        for address in _listed(told.get("recipients"))
    ]
    return Report(kind=Kind.DELIVERED, records=tuple(records))

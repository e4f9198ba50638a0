"""Signatures of webhooks as the Standard Webhooks specification 1.0 has them.

`webhook-id`, `webhook-timestamp` and the body are signed together with HMAC-SHA256; while a secret
is being replaced each attempt carries a signature by the new and by the old one, so that a receiver
can change over at leisure (standardwebhooks.com, "Zero downtime secret rotation").
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from ..errors import InputError

__all__ = ["new_secret", "read_secret", "signed_headers"]

_PREFIX = "whsec_"
_SECRET_BYTES = (24, 64)  # what the specification allows


def new_secret() -> str:
    """A fresh secret, 32 random bytes, as a receiver's library takes it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_secret(text: str) -> bytes:
    """The key that a secret stands for; raises InputError, which does not repeat the secret."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InputError("the secret is not base64, with or without whsec_ before it") from None
    if not _SECRET_BYTES[0] <= len(key) <= _SECRET_BYTES[1]:
        raise InputError(f"the secret has {len(key)} bytes; it must have 24 to 64")
    return key


def signed_headers(
    notice_id: str, at: datetime, body: bytes, secrets_: Sequence[str]
) -> dict[str, str]:
    """The headers of one attempt, signed by each secret, the newest first."""
    timestamp = str(int(at.timestamp()))
    content = f"{notice_id}.{timestamp}.".encode() + body
    marks = [
        "v1," + base64.b64encode(hmac.digest(read_secret(s), content, "sha256")).decode("ascii")
        for s in secrets_
    ]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(marks),
    }

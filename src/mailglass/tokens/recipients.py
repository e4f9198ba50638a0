"""How a recipient of an anonymous message says who they are, and no line of the journal does."""

from __future__ import annotations

import hashlib

__all__ = ["recipient_mark"]


def recipient_mark(message_id: int, address: str) -> str:
    """What is kept of an address that was given on the page of a message: 32 hexadecimal digits.

    `address` is in its form for comparing. Whoever has the message's recipients finds which one it
    is; nobody else can tell without guessing the address.
    """
    key = message_id.to_bytes(8)
    text = address.encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=16, key=key, person=b"recipient").hexdigest()

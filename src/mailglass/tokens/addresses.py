"""The addresses that carry tokens: what is sent to one comes back to the delivery it names.

    bounce+<token>@<domain>         envelope sender of one delivery (RFC 5321 section 4.5.5 for what
                                    is sent there)
    unsubscribe+<token>@<domain>    in List-Unsubscribe (RFC 2369 section 3.2)

The local part has 36 to 43 octets (RFC 5321 section 4.5.3.1.1 allows 64) and reads the same in
lower and upper case, because servers on the way fold it.
"""

from __future__ import annotations

from .ring import Kind, Ring

__all__ = ["return_address", "unsubscribe_mailto"]


def return_address(ring: Ring, delivery_id: int, domain: str) -> str:
    """The signed envelope sender of one delivery."""
    return f"bounce+{ring.mint(Kind.RETURN_PATH, delivery_id)}@{domain}"


def unsubscribe_mailto(token: str, domain: str) -> str:
    """The URL (RFC 6068) that a mail program writes to for a recipient who wants no more."""
    return f"mailto:unsubscribe+{token}@{domain}?subject=unsubscribe"

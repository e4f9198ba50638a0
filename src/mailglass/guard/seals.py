"""Which parts are signed or encrypted, so that a change would break or forge them.

A multipart that only calls itself so is an ordinary one to every program that displays it: it
counts only with the parts that the standards ask for (RFC 1847 section 2, RFC 3156 sections 4 and
5, RFC 8551 section 3.5.3), of which the second really is a signature or encrypted by its beginning.
Whether a signature is a good one is for the reader's program to say.
"""

from __future__ import annotations

from ..mime import Message, Part, decoded_body

__all__ = ["is_sealed"]

_LEAVES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_PGP, _PKCS7 = "application/pgp-signature", "application/pkcs7-signature"
_SIGNATURES = {_PGP: _PGP, _PKCS7: _PKCS7, "application/x-pkcs7-signature": _PKCS7}
_ENCRYPTED = "application/pgp-encrypted"
_ARMOURED = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----")
# The first byte of an OpenPGP packet has its highest bit set (RFC 9580 section 4.2); CMS begins
# with a sequence in BER (RFC 5652 section 3).
_SEQUENCE = 0x30


def is_sealed(message: Message, part: Part) -> bool:
    """Whether the part is signed or encrypted, so that a change would break or forge it."""
    if part.content_type in _LEAVES:
        return True
    if part.content_type not in ("multipart/signed", "multipart/encrypted"):
        return False
    children = _children(message, part)
    if len(children) != 2:
        return False
    if part.content_type == "multipart/signed":
        return _is_signature(message, part, children[1])
    version, data = children
    return (
        version.content_type == _ENCRYPTED
        and data.content_type == "application/octet-stream"
        and _protocol(part) == _ENCRYPTED
        and _is_openpgp(decoded_body(message, data) or b"")
    )


def _children(message: Message, part: Part) -> list[Part]:
    """Its first three parts: more than two are as good as any number."""
    found: list[Part] = []
    number = part.number + 1
    while number < len(message.parts) and message.parts[number].depth > part.depth:
        if message.parts[number].parent == part.number:
            found.append(message.parts[number])
            if len(found) > 2:
                break
        number += 1
    return found


def _is_signature(message: Message, part: Part, signature: Part) -> bool:
    kind = _SIGNATURES.get(signature.content_type)
    if kind is None or kind != _SIGNATURES.get(_protocol(part)):
        return False
    body = decoded_body(message, signature) or b""
    return _is_openpgp(body) if kind == _PGP else body[:1] == bytes((_SEQUENCE,))


def _protocol(part: Part) -> str:
    return part.parameters.get("protocol", "").strip().lower()


def _is_openpgp(body: bytes) -> bool:
    text = body.lstrip()
    return text.startswith(_ARMOURED) or body[:1] > b"\x7f"

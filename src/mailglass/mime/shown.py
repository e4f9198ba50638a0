"""Which parts a mail program displays as the message's own text, and why not the others.

Follows RFC 2046 section 5.1 (multipart kinds), RFC 2183 (dispositions), RFC 2387 (related), RFC
1847 (signed and encrypted) and, where they are silent, what programs do: a text part with a file
name is an attachment unless it is an alternative or the whole message.
"""

from __future__ import annotations

from enum import StrEnum

from .walk import Message, Part

__all__ = ["Standing", "standings"]


class Standing(StrEnum):
    """How a part stands to what is displayed."""

    SHOWN = "shown"  # the message's own text, or a multipart on the way to it
    ATTACHMENT = "attachment"
    RESOURCE = "resource of a related part"
    EMBEDDED = "inside an attached message"
    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    UNREADABLE = "not readable with certainty"
    OTHER = "not a text"


_SEALING = {
    "multipart/signed": Standing.SIGNED,
    "multipart/encrypted": Standing.ENCRYPTED,
    "application/pkcs7-mime": Standing.ENCRYPTED,
    "application/x-pkcs7-mime": Standing.ENCRYPTED,
    "application/pgp-encrypted": Standing.ENCRYPTED,
}
# Faults after which two readers may disagree about what the part is.
_UNCERTAIN = (
    *("repeated Content-Type", "multipart without a boundary"),
    *("parts deep", "parts in all"),
)
_UNCERTAIN_LEAF = (*_UNCERTAIN, "no empty line after the header")


def standings(message: Message) -> list[Standing]:
    """How each part of the message stands, by its number."""
    named: set[tuple[int | None, str | None]] = {
        (part.parent, part.content_id) for part in message.parts if part.content_id
    }
    found: list[Standing] = []
    for part in message.parts:
        parent = message.parent(part)
        if parent is not None and found[parent.number] is not Standing.SHOWN:
            found.append(found[parent.number])
        elif part.is_multipart or part.content_type.startswith("message/"):
            found.append(_of_container(part))
        elif part.content_type in _SEALING:
            found.append(_SEALING[part.content_type])
        else:
            found.append(_of_leaf(part, parent, message, named))
    return found


def _of_container(part: Part) -> Standing:
    if part.content_type in _SEALING:
        return _SEALING[part.content_type]
    if any(fault.endswith(_UNCERTAIN) for fault in part.faults):
        return Standing.UNREADABLE
    if part.content_type in ("message/rfc822", "message/global", "message/news"):
        return Standing.EMBEDDED
    if not part.is_multipart:
        return Standing.OTHER
    if part.transfer_encoding not in ("7bit", "8bit", "binary"):
        return Standing.UNREADABLE
    return Standing.ATTACHMENT if part.disposition == "attachment" else Standing.SHOWN


def _of_leaf(
    part: Part, parent: Part | None, message: Message, named: set[tuple[int | None, str | None]]
) -> Standing:
    """The standing of a leaf whose parent is shown."""
    if parent is not None and parent.content_type == "multipart/related":
        start = parent.parameters.get("start", "").strip("<> ")
        # RFC 2387 section 3.2: the part that `start` names, else the first.
        by_name = (parent.number, start) in named
        if part.content_id != start if by_name else part.position != 0:
            return Standing.RESOURCE
    if not part.content_type.startswith("text/"):
        return Standing.OTHER
    if part.disposition not in ("", "inline"):  # RFC 2183 section 2.8: unknown is attachment
        return Standing.ATTACHMENT
    if any(fault.endswith(_UNCERTAIN_LEAF) for fault in part.faults):
        return Standing.UNREADABLE
    if part.file_name is None or parent is None:
        return Standing.SHOWN
    if parent.content_type in ("multipart/alternative", "multipart/related"):
        return Standing.SHOWN
    return Standing.ATTACHMENT

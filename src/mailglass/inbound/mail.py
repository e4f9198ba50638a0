"""A message that came back, read once: header, parts, the notice and the returned message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .addresses import clean_address
from .parts import Fields, Part, decoded_words, normalised, read_parts, split

__all__ = ["Mail", "read_mail"]

_ORIGINAL_TYPES = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global",
    "message/global-headers",
    "text/rfc822",
)
_MAX_NOTICE_BYTES = 131_072  # where a returned message may begin
# The first two lines of a returned message that stands in the text: both are fields.
_ORIGINAL_STARTS = re.compile(
    rb"\n(?:>|\s{0,8})?((?:Received|Return-Path|Return-path|From|Message-ID|Message-Id|X-[\w-]+"
    rb"|DKIM-Signature|MIME-Version|Date|To|Subject): ?[^\n]*\n(?:[\w-]+: ?|[ \t]))"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """The message at hand."""

    fields: Fields
    body: bytes
    parts: Sequence[Part]
    subject: str  # decoded
    author: str | None  # the address in From
    original: bytes  # the returned message or its header, as far as it came back

    def value(self, name: str) -> str:
        """The first field of this lower-case name; empty when there is none."""
        return self.fields.get(name, ("",))[0]

    def first(self, *types: str) -> Part | None:
        """The first part of any of these types."""
        return next((part for part in self.parts if part.content_type in types), None)

    @property
    def author_words(self) -> str:
        """The From field as a person reads it, lower case."""
        return decoded_words(self.value("from")).lower()

    @property
    def original_fields(self) -> Fields:
        """The returned header; read when somebody asks, since most reports name it all."""
        return split(self.original)[0] if self.original else {}

    @property
    def has_null_sender(self) -> bool:
        """Whether it came with the empty return path of reports (RFC 5321 section 4.5.5)."""
        return self.value("return-path") == "<>"

    @property
    def is_marked(self) -> bool:
        """Whether the header calls it a delivery report (RFC 6522), whatever the parts hold."""
        return "delivery-status" in self.value("content-type").lower()

    @property
    def text(self) -> str:
        """The notice: the first text part that says anything."""
        for kind in ("text/plain", "text/html"):
            for part in self.parts:
                if part.content_type == kind and part.body.strip():
                    return part.text
        return self.parts[0].text if self.parts else ""


def read_mail(raw: bytes) -> Mail:
    """The message of these bytes; one without header fields when they are none."""
    fields, body = split(normalised(raw))
    parts = read_parts(fields, body)
    return Mail(
        fields=fields,
        body=body,
        parts=parts,
        subject=decoded_words(fields.get("subject", ("",))[0]),
        author=clean_address(fields.get("from", ("",))[0]),
        original=_original(parts, body),
    )


def _original(parts: Sequence[Part], body: bytes) -> bytes:
    """The returned message: its own part, a part that is one without saying so, or in the text."""
    for part in parts:
        if part.content_type in _ORIGINAL_TYPES:
            return part.body.lstrip(b"\n")
    for part in parts[1:]:
        if "received" in part.fields or "message-id" in part.fields:
            header = "\n".join(f"{n}: {v}" for n, values in part.fields.items() for v in values)
            return header.encode("utf-8", "replace") + b"\n\n" + part.body
    if len(parts) == 1:
        start = _ORIGINAL_STARTS.search(body, 0, _MAX_NOTICE_BYTES)
        return body[start.start(1) :] if start else b""
    return b""

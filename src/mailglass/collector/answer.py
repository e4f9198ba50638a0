"""Answers as bytes: every header in one place.

No answer depends on whether a delivery exists; the image is byte for byte the same for every
request (RFC 9110; Cache-Control as RFC 9111 section 5.2.2 has it, which makes Gmail's proxy come
again for each display).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus

from .request import Head

__all__ = ["IMAGE", "Answers", "safe_location"]

# The smallest transparent GIF89a with a palette: 43 bytes, the last one its trailer 0x3B.
IMAGE = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)

_ALWAYS = (
    b"Cache-Control: no-cache, no-store, max-age=0, must-revalidate\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
)
_HSTS = b"Strict-Transport-Security: max-age=31536000\r\n"  # a year, as hstspreload.org asks
_CONNECTION = {
    (True, "1.1"): b"",
    (True, "1.0"): b"Connection: keep-alive\r\n",
    (False, "1.1"): b"Connection: close\r\n",
    (False, "1.0"): b"Connection: close\r\n",
}
_STATUS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_IMAGE_FIELDS = (
    ("Content-Type", "image/gif"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
)
_NOT_IN_LOCATION = re.compile(rb"[^!#-;=?-\[\]_a-z~]")  # controls, spaces, \ " < > ^ ` { | }, 8-bit


class Answers:
    """Builds answers; the date is that of the last `tick`, which comes every second."""

    def __init__(self) -> None:
        self._images: dict[tuple[bool, bool, str, bool], bytes] = {}
        self._at_ms = -1
        self._at_text = b""
        self.tick()

    def tick(self) -> None:
        """Take the date anew."""
        self._date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        self._images.clear()

    def time_text(self, at_ms: int) -> bytes:
        """A time as the journal writes it; the last one is kept, many requests share it."""
        if at_ms != self._at_ms:
            self._at_ms = at_ms
            at = datetime.fromtimestamp(at_ms / 1000, UTC)
            self._at_text = b"%b.%03dZ" % (at.strftime("%Y-%m-%dT%H:%M:%S").encode(), at_ms % 1000)
        return self._at_text

    def image(self, head: Head, is_secure: bool) -> bytes:
        """The transparent image; of HEAD its headers."""
        key = (head.keep_alive, is_secure, head.http_version, head.method == "HEAD")
        answer = self._images.get(key)
        if answer is None:
            answer = self.make(head, is_secure, 200, _IMAGE_FIELDS, IMAGE)
            self._images[key] = answer
        return answer

    def make(
        self,
        head: Head,
        is_secure: bool,
        status: int,
        fields: Iterable[tuple[str, str]],
        body: bytes = b"",
        *,
        length: int | None = None,
    ) -> bytes:
        """A whole answer; with `length` the head of one whose body the caller sends.

        A field's text is ours or went through `safe_location` or percent-encoding: no line ends.
        """
        lines = b"".join([f"{name}: {text}\r\n".encode("ascii") for name, text in fields])
        size = len(body) if length is None else length
        return b"%b%b%b%b%b%bContent-Length: %d\r\n\r\n%b" % (
            _STATUS[status],
            self._date,
            _ALWAYS,
            _HSTS if is_secure else b"",
            _CONNECTION.get((head.keep_alive, head.http_version), b"Connection: close\r\n"),
            lines,
            size,
            b"" if head.method == "HEAD" else body,
        )


def safe_location(to: str) -> str:
    """A signed destination as a header's text: what cannot stand in a URL is percent-encoded.

    A backslash would be read as a slash by browsers, a line end would begin a header.
    """
    return _NOT_IN_LOCATION.sub(lambda m: b"%%%02X" % ord(m[0]), to.encode()).decode("ascii")

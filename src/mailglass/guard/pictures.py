"""Addresses of pictures at our own image proxy, signed so that it serves nobody else's.

The picture's own URL stands readable in the address, so that whoever hovers sees it; the tag in
front of it says that a guard with our key wrote it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from urllib.parse import quote, urlsplit

__all__ = ["KEY_BYTES", "MAX_URL_CHARACTERS", "PictureUrls", "is_base_url"]

KEY_BYTES = 32
_TAG_BYTES = 15  # 24 characters of base32; 120 bits cannot be guessed
# Browsers and proxies take about 8,000 characters; percent-encoding makes up to three of one.
MAX_URL_CHARACTERS = 2500
# It stands in front of each picture's URL in markup and in style sheets: no quotes, no brackets.
_BASE_URL = re.compile(r"https?://[^/?#\s'\"()&<>\\@]+(?:/[\w./~-]*)?\Z")


def is_base_url(text: str) -> bool:
    """Whether readers can reach a proxy there: a plain http(s) address without a query."""
    if not text.isascii() or _BASE_URL.match(text) is None:
        return False
    try:
        return urlsplit(text).port != 0
    except ValueError:  # beyond 65535
        return False


class PictureUrls:
    """Makes the addresses, and knows its own."""

    def __init__(self, base_url: str, key: bytes) -> None:
        """`base_url` is where readers reach the proxy; `key` has 32 bytes and is secret."""
        self._base_url = base_url.rstrip("/")
        self._key = key

    def address(self, url: str) -> str | None:
        """Where the picture of this URL is had: our own stays; None for what is not served."""
        if url.startswith(f"{self._base_url}/"):
            return url
        if not url.startswith(("http://", "https://")) or len(url) > MAX_URL_CHARACTERS:
            return None
        return f"{self._base_url}/i/{self._tag(b'picture', url.encode())}?url={quote(url, safe='')}"

    def is_ours(self, tag: str, url: str) -> bool:
        """Whether we wrote an address with this tag and this URL."""
        return hmac.compare_digest(tag.encode(), self._tag(b"picture", url.encode()).encode())

    def seal(self, body: bytes) -> str:
        """What proves that a request to fetch comes from a guard with our key."""
        return self._tag(b"request", body)

    def is_sealed(self, seal: str, body: bytes) -> bool:
        """Whether this is the seal of these bytes."""
        return hmac.compare_digest(seal.encode(), self._tag(b"request", body).encode())

    def _tag(self, purpose: bytes, data: bytes) -> str:
        mac = hashlib.blake2b(data, key=self._key, person=purpose, digest_size=_TAG_BYTES)
        return b32encode(mac.digest()).decode().lower()

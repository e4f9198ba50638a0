"""Does a URL carry somebody's address: as it is, percent-encoded, base64, hex, or as a hash?

Hashes can be recognised only for addresses that are known: those of the message's recipients, and
whatever the caller adds. An address in plain, base64 or hex is recognised whoever owns it, because
a blind copy does not name its recipient in any header.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["AddressBook", "Carried", "printable_base64", "printable_hex"]

_HASHES = ("md5", "sha1", "sha256")
# The last label must not be a picture's suffix: `logo@2x.png` is no address.
_ADDRESS = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}"
    r"(?!png|jpe?g|gif|webp|svg|css|html?|php|js)[a-z]{2,24}(?![\w-])",
    re.IGNORECASE,
)
_DIGEST = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9a-fA-F])"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_PRINTABLE = re.compile(r"[\x20-\x7e]+\Z")
# An address is at most 254 characters (RFC 5321 4.5.3.1.3), so 1,024 of base64 hold it and more.
_MAX_ENCODED = 1024


@dataclass(frozen=True, slots=True)
class Carried:
    """An address found in a URL."""

    address: str
    form: str  # plain, base64, hex, md5, sha1 or sha256


class AddressBook:
    """Known addresses in every form in which a URL may carry them."""

    def __init__(self, recipients: Iterable[str], others: Iterable[str] = ()) -> None:
        """`recipients` are watched for; `others` (the author's own) are no sign of tracking."""
        self._others = {address.lower() for address in others}
        self._digests: dict[str, Carried] = {}
        for address in recipients:
            for spelling in {address, address.lower()}:
                self._add(address, spelling.encode())

    def _add(self, address: str, data: bytes) -> None:
        for name in _HASHES:
            digest = hashlib.new(name, data, usedforsecurity=False)
            self._digests[digest.hexdigest()] = Carried(address, name)

    def find(self, url: str) -> Carried | None:
        """The first address that the URL carries, if any."""
        for match in _DIGEST.finditer(url):
            if carried := self._digests.get(match.group().lower()):
                return carried
        if "@" in url or "%40" in url:
            plain = unquote(url) if "%" in url else url
            if address := self._address(_after_authority(plain)):
                return Carried(address, "plain")
        return self._encoded(url)

    def _encoded(self, url: str) -> Carried | None:
        for match in _BASE64.finditer(url, _path_start(url)):
            piece = match.group()[:_MAX_ENCODED]
            if (text := printable_hex(piece)) and (address := self._address(text)):
                return Carried(address, "hex")
            if (text := printable_base64(piece)) and (address := self._address(text)):
                return Carried(address, "base64")
        return None

    def _address(self, text: str) -> str | None:
        if "@" not in text:
            return None
        for match in _ADDRESS.finditer(text):
            if match.group().lower() not in self._others:
                return match.group()
        return None


def printable_base64(piece: str) -> str | None:
    """The text that a base64 piece (either alphabet, padded or not) encodes, when it is text."""
    piece = piece.rstrip("=")
    if len(piece) % 4 == 1:
        return None
    try:
        data = base64.b64decode(piece.replace("-", "+").replace("_", "/") + "==")
        text = data.decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text if _PRINTABLE.match(text) else None


def printable_hex(piece: str) -> str | None:
    """The text that a piece of hexadecimal digits encodes, when it is text."""
    if not _HEX.fullmatch(piece):
        return None
    try:
        text = bytes.fromhex(piece).decode("ascii")
    except ValueError:
        return None
    return text if _PRINTABLE.match(text) else None


def _path_start(url: str) -> int:
    slash = url.find("/", url.find("//") + 2)
    return len(url) if slash < 0 else slash


def _after_authority(url: str) -> str:
    """Without `user@host`, which is a log-in and not somebody's address."""
    return url[_path_start(url) :]

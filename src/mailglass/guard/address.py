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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["AddressBook", "Carried", "is_address", "printable_base64", "printable_hex"]

_HASHES = ("md5", "sha1", "sha256")
# The last label must not be a picture's suffix: `logo@2x.png` is no address.
_ADDRESS = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}"
    r"(?!png|jpe?g|gif|webp|svg|css|html?|php|js)[a-z]{2,24}(?![\w-])",
    re.IGNORECASE,
)
# What can be somebody's address (RFC 5321 section 4.1.2, RFC 6531): a name and a domain, of no more
# than 64 and 254 characters. Quoted names are left out, which no mailing carries in a URL; dots may
# stand anywhere, since providers in Japan gave out `name..1@` and `name.@`.
_WHOLE_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[^\s@\x00-\x20\x7f\"(),:;<>\[\\\]]{1,64}"
    r"@[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.[^\W_](?:[\w-]{0,61}[^\W_])?)*\Z"
)
_DIGEST_LENGTHS = frozenset((32, 40, 64))
_HEX_RUN = re.compile(r"[0-9a-fA-F]{16,}+")
# A slash of the base64 alphabet stands for a sixth bit pattern that no address has (`?` as the
# last of three characters), so that it always ends a piece of the path.
_BASE64 = re.compile(r"[A-Za-z0-9+_-]{12,}+")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
# Text in base64: the first of each four digits holds the first six bits of a printable character.
_TEXT_DIGITS = frozenset("IJKLMNOPQRSTUVWXYZabcdef")
_PRINTABLE = re.compile(r"[\x20-\x7e]+\Z")
# An address is at most 254 characters (RFC 5321 4.5.3.1.3), so 1,024 of base64 hold it and more.
_MAX_ENCODED = 1024


@dataclass(frozen=True, slots=True)
class Carried:
    """An address found in a URL."""

    address: str
    form: str  # plain, base64, hex, md5, sha1 or sha256


def is_address(text: str) -> bool:
    """Whether this is the bare address of a mailbox, `name@domain`."""
    return _WHOLE_ADDRESS.match(text) is not None


class AddressBook:
    """Known addresses in every form in which a URL may carry them."""

    def __init__(self, recipients: Iterable[str], others: Iterable[str] = ()) -> None:
        """`recipients` are watched for; `others` (the author's own) are no sign of tracking.

        What is no address (`postmaster`, RFC 5321 section 4.5.1) is passed over: so short a word
        stands in many a URL.
        """
        self._others = {address.lower() for address in others}
        self._digests: dict[str, Carried] = {}
        # As in return paths that hold the recipient (VERP): local=domain.
        self._bounced: dict[str, str] = {}
        for address in filter(is_address, recipients):
            for spelling in {address, address.lower()}:
                self._add(address, spelling.encode())
                local, _, domain = spelling.rpartition("@")
                if "." in domain:
                    self._bounced[f"{local}={domain}"] = address

    def _add(self, address: str, data: bytes) -> None:
        for name in _HASHES:
            digest = hashlib.new(name, data, usedforsecurity=False)
            self._digests[digest.hexdigest()] = Carried(address, name)

    def find(self, url: str) -> Carried | None:
        """The first address that the URL carries, if any."""
        hexadecimal = _HEX_RUN.findall(url)
        for piece in hexadecimal:
            if len(piece) in _DIGEST_LENGTHS and (known := self._digests.get(piece.lower())):
                return known
        holds_at = "@" in url or "%40" in url or "%2540" in url
        if holds_at and (address := self._address(_after_authority(_unquoted(url)))):
            return Carried(address, "plain")
        for text, address in self._bounced.items():
            if _stands_alone(text, url):
                return Carried(address, "plain")
        for piece in hexadecimal:
            if address := self._address(printable_hex(piece[:_MAX_ENCODED]) or ""):
                return Carried(address, "hex")
        return self._in_base64(url)

    def _in_base64(self, url: str) -> Carried | None:
        for match in _BASE64.finditer(url, _path_start(url)):
            piece = match.group()
            for start in _beginnings(piece):
                text = printable_base64(piece[start : start + _MAX_ENCODED])
                if text and (address := self._address(text)):
                    return Carried(address, "base64")
        return None

    def _address(self, text: str) -> str | None:
        if "@" not in text:
            return None
        for match in _ADDRESS.finditer(text):
            if match.group().lower() not in self._others:
                return match.group()
        return None


def _stands_alone(text: str, url: str) -> bool:
    """Whether it stands there as a piece of its own, and is no parameter with its value."""
    start = url.find(text)
    while start >= 0:
        before, after = url[start - 1 : start], url[start + len(text) :][:1]
        if not (before.isalnum() or after.isalnum() or before in "_.?&"):
            return True
        start = url.find(text, start + 1)
    return False


def _beginnings(piece: str) -> Iterator[int]:
    """Where text in base64 may begin: at the start, or behind a mark such as `v2_` or `1-`."""
    start = 0
    while len(piece) - start >= 12:
        if _TEXT_DIGITS.issuperset(piece[start : start + 12 : 4]):
            yield start
        mark = min(
            (i for i in (piece.find("_", start), piece.find("-", start)) if i >= 0), default=8
        )
        start = mark + 1
        if mark >= 8:  # marks are short
            return


def printable_base64(piece: str) -> str | None:
    """The text that a base64 piece (either alphabet, padded or not) encodes, when it is text."""
    piece = piece.rstrip("=")
    if len(piece) % 4 == 1 or not _TEXT_DIGITS.issuperset(piece[:16:4]):
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


def _unquoted(url: str) -> str:
    """Without percent-encoding; some services encode twice."""
    for _ in range(2):
        if "%" in url:
            url = unquote(url)
    return url


def _path_start(url: str) -> int:
    slash = url.find("/", url.find("//") + 2)
    return len(url) if slash < 0 else slash


def _after_authority(url: str) -> str:
    """Without `user@host`, which is a log-in and not somebody's address."""
    return url[_path_start(url) :]

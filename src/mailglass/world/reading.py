"""A received message as a mail client sees it: which pictures it loads, which links it shows.

Reads the HTML part; where there is none, the URLs of the plain text. It knows the collector's paths
(/o, /c, /a, /u, /n) only to tell an attachment's link from another, as a person does by its label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urlsplit

from ..model import Target, TargetKind

__all__ = ["ReceivedMail", "read_mail"]

_KINDS = {
    "o": TargetKind.BEACON,
    "a": TargetKind.ATTACHMENT,
    "u": TargetKind.UNSUBSCRIBE,
    "n": TargetKind.NOTICE,
}
_URL = re.compile(r"https?://[^\s<>\"]{1,2000}")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.I)
_MOST_HTML = 1 << 18  # characters; webmail clips a long body too, Gmail at about 102 KB
_MOST_TARGETS = 500  # a person sees no more; bounds what one hostile message can ask of us


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """What a client finds in a message."""

    message_id: str  # as the field has it; without one, a digest of the message
    author: str  # the address of From, or empty
    is_bulk: bool  # says itself that it went to many
    targets: tuple[Target, ...]  # each with its `url` as it stands in the message


def read_mail(content: bytes) -> ReceivedMail:
    """What there is to fetch in a message; never raises, whatever the bytes."""
    try:
        message = message_from_bytes(content)
        found = dict.fromkeys(_urls(message))
    except RecursionError:  # hundreds of multiparts in one another; no client shows them either
        message, found = Message(), {}
    return ReceivedMail(
        message_id=_field(message, "Message-ID") or f"sha256:{sha256(content).hexdigest()}",
        author=parseaddr(_field(message, "From"))[1],
        is_bulk="List-Id" in message or _field(message, "Precedence").lower() in ("bulk", "list"),
        targets=tuple(
            Target(number=number, kind=kind, url=url)
            for number, (kind, url) in enumerate(list(found)[:_MOST_TARGETS])
        ),
    )


def _field(message: Message, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())


def _urls(message: Message) -> Iterator[tuple[TargetKind, str]]:
    bodies = [part for part in message.walk() if part.get_content_maintype() == "text"]
    pages = [part for part in bodies if part.get_content_subtype() == "html"]
    for part in pages:
        page = _Page()
        # html.parser gives up so on a marked section that it does not know; what it found stays.
        with suppress(AssertionError):
            page.feed(_text(part)[:_MOST_HTML])
        yield from page.found
    if not pages:
        for part in bodies:
            for url in _URL.findall(_text(part)[:_MOST_HTML]):
                yield _kind_of_link(url), url


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    try:
        return raw.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _kind_of_link(url: str) -> TargetKind:
    try:
        path = urlsplit(url).path
    except ValueError:
        return TargetKind.LINK
    kind = _KINDS.get(path[1:2]) if path[2:3] == "/" else None
    return kind if kind not in (None, TargetKind.BEACON) else TargetKind.LINK


class _Page(HTMLParser):
    """Collects pictures and links in the order of the page.

    A link that nobody can see is a honeypot, whatever its path: people do not follow it. Hidden
    pictures are loaded all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[TargetKind, str]] = []
        self._hidden_tag = ""  # the outermost hidden element that is open
        self._hidden_depth = 0  # how many elements of that name are open in it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(reversed(attrs))  # of a repeated attribute the first one counts
        if tag == "img":
            if source := values.get("src"):
                self.found.append((TargetKind.BEACON, source.strip()))
            return
        if tag == self._hidden_tag:
            self._hidden_depth += 1
        elif not self._hidden_tag and (
            "hidden" in values or _HIDDEN.search(values.get("style") or "")
        ):
            self._hidden_tag, self._hidden_depth = tag, 1
        if tag in ("a", "area") and (reference := values.get("href")):
            kind = TargetKind.HONEYPOT if self._hidden_tag else _kind_of_link(reference)
            self.found.append((kind, reference.strip()))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden_tag:
            self._hidden_depth -= 1
            if not self._hidden_depth:
                self._hidden_tag = ""

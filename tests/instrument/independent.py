"""What other programs see of a message before and after: Python's parser, lexbor's DOM.

Nothing here uses the code under test; the rules for links are written down a second time, from
the documentation, on the DOM's values.
"""

from __future__ import annotations

import email
import re
from email.message import Message
from html import unescape
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser

BASE = "https://track.example.com"
_TRACKED = re.compile(re.escape(BASE) + r"/c/[a-z2-7]{29,31}\?to=([^\"'<>\s]*)")
_BEACON = re.compile(r"<img[^>]*" + re.escape(BASE) + r"/o/[^>]*>")
_PLACEHOLDERS = ("{{", "}}", "{%", "%}", "%7B%7B", "<%", "%>", "*|", "|*", "${", "#{")
_PATTERNS = re.compile(
    r"%%[a-z_]|%(recipient|unsubscribe)[._]|@\{|\[\[?[a-z_]+\]\]|###[a-z_]+###|\{[a-z_][\w.]*\}"
    r"|\[(unsubscribe|webversion|preferences)\]",
    re.IGNORECASE,
)
_SPACE = "".join(map(chr, range(33)))


def leaves(raw: bytes) -> list[Message]:
    """The leaf parts of a message as the standard library sees them."""
    found: list[Message] = []

    def descend(part: Message) -> None:
        payload = part.get_payload()
        if part.is_multipart() and isinstance(payload, list):
            for child in payload:
                descend(child)
        else:
            found.append(part)

    descend(email.message_from_bytes(raw))
    return found


def types(raw: bytes) -> list[str]:
    return [part.get_content_type() for part in email.message_from_bytes(raw).walk()]


def text_of(part: Message) -> str:
    """A part's text, decoded as its charset says, byte by byte where that fails."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    label = str(part.get_content_charset() or "utf-8")
    try:
        return data.decode({"gb2312": "gb18030", "iso-8859-1": "cp1252"}.get(label, label))
    except (LookupError, UnicodeDecodeError):
        return data.decode("latin-1")


def wanted(url: str, unsubscribes: set[str]) -> bool:
    """Whether a cleaned href is one that tracking rewrites."""
    if not re.match(r"https?://[^/\\?#\s@]", url, re.IGNORECASE):
        return False
    if any(mark.lower() in url.lower() for mark in _PLACEHOLDERS) or _PATTERNS.search(url):
        return False
    return url not in unsubscribes


def clean(value: str | None) -> str:
    return re.sub(r"[\t\n\r]", "", (value or "").strip(_SPACE))


def conditional_documents(tree: LexborHTMLParser) -> list[LexborHTMLParser]:
    """What Outlook sees in the comments of a document."""
    found = []
    for node in tree.root.traverse(include_text=True) if tree.root else []:
        if node.tag == "-comment":
            text = node.comment_content or ""
            match = re.match(r"\[if\b[^\]>]*\]>(.*)<!\s*\[endif\]\Z", text, re.DOTALL | re.I)
            if match:
                found.append(LexborHTMLParser(match[1]))
    return found


def links(html: str, unsubscribes: set[str]) -> set[str]:
    """The links of a document that the rules name."""
    tree = LexborHTMLParser(html)
    found = set()
    for document in (tree, *conditional_documents(tree)):
        for node in document.css("a[href], area[href]"):
            if "data-no-track" in node.attributes:
                continue
            url = clean(node.attributes["href"])
            if wanted(url, unsubscribes):
                found.add(url)
    return found


def shape(html: str) -> str:
    """A document's tree as text, with tracked links led back and beacons taken out."""
    tree = LexborHTMLParser(html)
    for node in tree.css(f'img[src^="{BASE}/o/"]'):
        node.decompose()
    for node in tree.css("a[href], area[href]"):
        value = node.attributes["href"] or ""
        match = _TRACKED.fullmatch(value)
        node.attrs["href"] = clean(unquote(match[1]) if match else value)
    return re.sub(r"<!--.*?-->", _plain_comment, tree.html or "", flags=re.DOTALL)


def _plain_comment(match: re.Match[str]) -> str:
    """A comment with its links led back, without regard to quotes, references and white space."""
    text = _TRACKED.sub(lambda m: unquote(m[1]), _BEACON.sub("", match[0]))
    return re.sub(r"[\s\"']+", "", unescape(unescape(text)))

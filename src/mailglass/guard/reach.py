"""Where a reference leads, as a browser reads it: which ones leave the message.

Follows the WHATWG URL standard where it decides whether a request is made: tabs and line breaks
inside a URL vanish, backslashes are slashes, `https:host` and `//host` are absolute. A message
written to slip past a filter uses exactly these.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from .shape import split_url

__all__ = ["NAMESPACES", "absolute", "is_namespace", "nested_urls"]

_VANISHES = str.maketrans("", "", "\t\n\r")
_LEADING = "".join(map(chr, range(0x21)))
_REMOTE = re.compile(r"(https?|ftp):[/\\]*+(?=[^/\\])", re.IGNORECASE)
# What needs no reading: no white space, control character or backslash anywhere.
_PLAIN = re.compile(r"https?://[^/\\\x00-\x20][^\\\x00-\x20]*+\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_URL = re.compile(r"https?:[/\\]{2}[^\s\"'<>()\\{}|^`]++", re.IGNORECASE)
# What some programs take in front of a URL: browsers, and Internet Explorer's engine in Outlook.
_WRAPPER = re.compile(r"(?:view-source|mhtml|feed|jar):(?=https?:)", re.IGNORECASE)
# A file on another machine: Windows asks it over SMB, and shows it who is logged in.
_FILE = re.compile(
    r"file:(?:[/\\]{2}|[/\\]{4,5})(?=[^/\\]{2})(?!localhost[/\\]|[a-z][:|])", re.IGNORECASE
)

# Names of vocabularies that are written as URLs and never asked for.
NAMESPACES = frozenset(
    ("www.w3.org", "w3.org", "schemas.microsoft.com", "schema.org", "purl.org", "ogp.me",
     "schemas.openxmlformats.org", "xmlns.com", "ns.adobe.com", "rdf.data-vocabulary.org")
)  # fmt: skip


def absolute(reference: str, base: str | None = None) -> str | None:
    """The absolute URL that a program would ask a network for; None when it asks nobody.

    It is of http, https, ftp, or file with another machine's name.
    `base` is the document's `<base href>`: only with it does a relative reference leave a message.
    """
    if _PLAIN.match(reference):
        return reference
    url = reference.strip(_LEADING).translate(_VANISHES)
    if match := _WRAPPER.match(url):
        url = url[match.end() :]
    if match := _FILE.match(url):
        return f"file://{url[match.end() :].replace(chr(92), '/')}"
    if match := _REMOTE.match(url):
        return f"{match.group(1).lower()}://{_slashed(url[match.end() :])}"
    if url[:2].replace("\\", "/") == "//":
        rest = url.lstrip("/\\")
        scheme = (base or "https:").partition(":")[0]
        return f"{scheme}://{_slashed(rest)}" if rest else None
    if base is None or not url or _SCHEME.match(url):
        return None
    try:
        return urljoin(base, url.replace("\\", "/"))
    except ValueError:
        return None


def _slashed(rest: str) -> str:
    """Backslashes are slashes up to the query."""
    if "\\" not in rest:
        return rest
    cut = min((i for i in (rest.find("?"), rest.find("#")) if i >= 0), default=len(rest))
    return rest[:cut].replace("\\", "/") + rest[cut:]


def is_namespace(url: str) -> bool:
    """Whether the URL is the name of a vocabulary."""
    return split_url(url)[1] in NAMESPACES


def nested_urls(text: str) -> list[str]:
    """The http URLs that stand anywhere in a text, without the names of vocabularies."""
    found = (match.group().rstrip(".,;") for match in _URL.finditer(text))
    return [url.replace("\\", "/") for url in found if not is_namespace(url)]

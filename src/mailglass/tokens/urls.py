"""The URLs that carry tokens: written by the sender's side, read by the collector.

    /o/<token>.gif                          beacon
    /c/<token>?to=<destination>             link; also a link that no person can see
    /a/<token>/<file name>?f=<digest>       attachment
    /u/<token>                              unsubscribe
    /n/<token>                              notice to the recipient
    /s/<token>                              "this is me": the sender marks their own browser

What a URL shows beside the token is bound under the token's tag: for a link the destination's
UTF-8 bytes, for an attachment `digest/file name`; it is percent-encoded (RFC 3986 section 2.1)
exactly once.  A base URL may have a path of its own before these.
A reader tolerates what the way does to a URL: letters folded to lower or upper case before the
query, parameters added behind ours.  It knows no keys: `Ring.read` says whether a token is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..errors import BadToken
from .ring import Kind

__all__ = [
    "Locator",
    "attachment_bound",
    "attachment_url",
    "beacon_url",
    "link_bound",
    "link_url",
    "names_host",
    "notice_url",
    "percent_encode",
    "percent_encode_all",
    "read_url",
    "self_url",
    "unsubscribe_url",
]

_KINDS = {
    "o": Kind.OPEN,
    "c": Kind.CLICK,
    "a": Kind.ATTACHMENT,
    "u": Kind.UNSUBSCRIBE,
    "n": Kind.NOTICE,
    "s": Kind.SELF,
}
_NAMES_HOST = re.compile(r"https?://[^/?#\\\s@]", re.IGNORECASE)
_ENCODED = re.compile(r"[A-Za-z0-9._~/%-]*+")
_ENCODED_LINES = re.compile(r"[A-Za-z0-9._~/%\n-]*+")
_RESERVED = re.compile(rb"[^A-Za-z0-9._~/-]")
_PATH = re.compile(
    r"/([ocauns])/([a-z2-7]{31}|[a-z2-7]{29})(?:(\.gif)|/([^/?#]*))?\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """What one of our URLs says, before any key has confirmed it."""

    kind: Kind
    token: str  # lower case
    to: str | None = None  # a link's destination
    name: str | None = None  # an attachment's file name
    digest: str | None = None  # an attachment's content hash

    @property
    def bound(self) -> bytes:
        """What must stand under the token's tag."""
        if self.kind is Kind.CLICK:
            return link_bound(self.to or "")
        if self.kind is Kind.ATTACHMENT:
            return attachment_bound(self.digest or "", self.name or "")
        return b""


def link_bound(to: str) -> bytes:
    """The bound value of a link's token."""
    return to.encode()


def attachment_bound(digest: str, name: str) -> bytes:
    """The bound value of an attachment's token."""
    return f"{digest}/{name}".encode()


def beacon_url(base: str, token: str) -> str:
    """The image's URL."""
    return f"{base.rstrip('/')}/o/{token}.gif"


def link_url(base: str, token: str, to: str) -> str:
    """The URL that leads to `to`; slashes stay readable, a second `://` does not appear.

    Programs that search text for URLs would cut ours in two at an unencoded inner scheme.
    """
    return f"{base.rstrip('/')}/c/{token}?to={percent_encode(to)}"


def names_host(to: str) -> bool:
    r"""Whether a destination begins with http or https, two slashes and a host.

    The collector follows no other, so the sender's side tracks no other: browsers find a host in
    `http:\\host`, `http:///host` and `http://@host` too, and other programs find another one.
    """
    return _NAMES_HOST.match(to) is not None


def attachment_url(base: str, token: str, digest: str, name: str) -> str:
    """The URL of a stored attachment; its last path segment is the name that a browser saves."""
    segment = percent_encode(name).replace("/", "%2F")
    return f"{base.rstrip('/')}/a/{token}/{segment}?f={percent_encode(digest)}"


def unsubscribe_url(base: str, token: str) -> str:
    """The URL for List-Unsubscribe (RFC 8058)."""
    return f"{base.rstrip('/')}/u/{token}"


def notice_url(base: str, token: str) -> str:
    """The URL of the page that tells a recipient what is recorded."""
    return f"{base.rstrip('/')}/n/{token}"


def self_url(base: str, token: str) -> str:
    """The URL that a sender opens in each of their own programs, so that its hits are theirs."""
    return f"{base.rstrip('/')}/s/{token}"


def percent_encode(text: str) -> str:
    """All but unreserved characters and the slash, in UTF-8 (RFC 3986 section 2.1).

    The standard library's `quote` gives the same in five times the time, and a message has many
    links: an ordinary URL holds no others than the four replaced here.
    """
    encoded = text.replace("%", "%25").replace(":", "%3A").replace("?", "%3F")
    encoded = encoded.replace("=", "%3D").replace("&", "%26")
    if _ENCODED.fullmatch(encoded):
        return encoded
    return _RESERVED.sub(_percent, text.encode()).decode("ascii")


def percent_encode_all(texts: Sequence[str]) -> list[str]:
    """`percent_encode` of each, the ordinary ones all in one."""
    text = "\n".join(texts)
    encoded = text.replace("%", "%25").replace(":", "%3A").replace("?", "%3F")
    encoded = encoded.replace("=", "%3D").replace("&", "%26")
    if _ENCODED_LINES.fullmatch(encoded):
        found = encoded.split("\n") if texts else []
        if len(found) == len(texts):
            return found
    return [percent_encode(one) for one in texts]


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(match[0])


def read_url(url: str) -> Locator:
    """What one of our URLs says; `url` is whole or begins at its path.

    Raises BadToken when the shape is not ours, a parameter of ours is missing or repeated, or its
    percent-decoded bytes are not UTF-8.
    """
    path, _, query = url.partition("#")[0].partition("?")
    match = _PATH.search(path)
    if match is None:
        raise BadToken("the URL has no token of ours")
    kind, image, name = _KINDS[match[1].lower()], match[3], match[4]
    if (image is not None) != (kind is Kind.OPEN) or (name is not None) != (
        kind is Kind.ATTACHMENT
    ):
        raise BadToken("the URL has another form than its kind")
    return Locator(
        kind=kind,
        token=match[2].lower(),
        to=_parameter(query, "to") if kind is Kind.CLICK else None,
        name=_decode(name) if kind is Kind.ATTACHMENT else None,
        digest=_parameter(query, "f") if kind is Kind.ATTACHMENT else None,
    )


def _parameter(query: str, name: str) -> str:
    values = [v for k, _, v in (p.partition("=") for p in query.split("&")) if k == name]
    if len(values) != 1:
        raise BadToken(f"the URL has {len(values)} parameters `{name}` instead of one")
    return _decode(values[0])


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise BadToken("the URL's bytes are not UTF-8") from None

"""What each path answers, and what is kept of the request; no sockets here.

    o  beacon: the same image for whatever token, method or query
    c  link: 302 to the destination that the token signs, from the URL alone; else a page
    a  attachment: the stored file that the token signs; else a page
    u  unsubscribe: GET asks, POST acts (RFC 8058)
    n  notice: what is recorded; POST is the recipient's no
    s  "this is me": the sender marks their own program

The order of every answer: find what the URL says, verify the token, decide, then record. A valid
token says nothing about whether the delivery is still known: this room has no database to ask.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from ..addresses import canonical_address
from ..errors import BadToken
from ..ids import delivery_time
from ..journal import Attachments, encode, encode_beacon
from ..model import Hit
from ..tokens import Kind, Locator, Ring, Token, names_host, read_url, recipient_mark
from .answer import Answers, safe_location
from .client import Limiter, Proxies
from .metrics import Counters
from .pages import PAGE_FIELDS, choose_language, page
from .ranges import Part, choose_part
from .request import Head, Request
from .switch import KillSwitch

__all__ = ["Answer", "Download", "Endpoints"]

_log = logging.getLogger("mailglass.collector")

_GLIMPSE = re.compile(r"/([ocauns])/([^/?#]{0,64})", re.IGNORECASE)
_GLIMPSE_TO = re.compile(r"(?:[?&;]|%3f|%26)to(?:=|%3d)([^&#]*)", re.IGNORECASE)
_SAFE_METHODS = ("GET", "HEAD")
_ASKED_BY_FORM = {("list-unsubscribe", "one-click"), ("confirm", "yes")}
_FORM_PART = re.compile(
    rb'name="?([\w-]{1,20})"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,320})\r\n'
)

# The line of a hit that is not recorded: its answer waits for a sync all the same, so that the time
# of an answer tells nobody whether a token is ours or its recipient objected.
NOT_RECORDED = b""

_MAX_JUNK_TO = 2048  # characters that are kept of a destination that is not signed
_MAX_NAME = 255
_MAX_ADDRESS = 320  # characters: 64 and 255 octets (RFC 5321 section 4.5.3.1) and the @

# Types that a browser may show by itself are left out: everything is saved, never opened here.
_TYPES = {
    "pdf": "application/pdf",
    "zip": "application/zip",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "csv": "text/csv",
    "ics": "text/calendar",
}


@dataclass(slots=True)
class Download:
    """A file on its way out; the hit is completed by what was sent of it."""

    file: BinaryIO
    part: Part
    hit: Hit
    endpoints: Endpoints

    def line(self, bytes_sent: int) -> bytes:
        """The line of the hit, when `bytes_sent` of the part have been handed to the network."""
        completed = bytes_sent == self.part.length and self.part.stop == self.part.size
        return self.endpoints.record(replace(self.hit, bytes_sent=bytes_sent, completed=completed))


class Answer(NamedTuple):
    """What to send, what to put on stable storage before that, and a file to stream."""

    data: bytes
    line: bytes | None = None  # None: no hit; empty: one that is not recorded, and still waits
    download: Download | None = None
    otherwise: bytes | None = None  # sent instead when the disk did not take it
    keep: Callable[[], None] | None = None  # to be done with the line, by the journal's thread


@dataclass(slots=True)
class _Visit:
    """A request with what its URL says and who made it."""

    request: Request
    path_kind: str
    token_text: str
    locator: Locator | None  # None when the URL has not the form of its kind
    token: Token | None  # None when it does not verify
    to: str | None  # the destination that a link names
    address: str
    is_secure: bool


class Endpoints:
    """Answers requests; all state is passed in."""

    def __init__(
        self,
        *,
        ring: Ring,
        attachments: Attachments,
        switch: KillSwitch,
        proxies: Proxies,
        hits_a_second: float,
        junk_a_second: float,
        hosts: tuple[str, ...],
        answers: Answers,
        counters: Counters,
        is_failing: Callable[[], bool],
    ) -> None:
        """`is_failing`: whether the journal takes nothing now; a recipient's wish then says so."""
        self._ring = ring
        self._attachments = attachments
        self._switch = switch
        self._proxies = proxies
        self._hits = Limiter(hits_a_second)
        self._junk = Limiter(junk_a_second)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._answers = answers
        self._counters = counters
        self._is_failing = is_failing
        self._by_kind = {
            "o": self._beacon,
            "c": self._link,
            "a": self._attachment,
            "u": self._unsubscribe,
            "n": self._notice,
            "s": self._self,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to a request that arrived whole."""
        visit = self._visit(request)
        if visit is None:
            return self._elsewhere(request)
        return self._by_kind[visit.path_kind](visit)

    def answer_beacon(
        self, token: bytes, head: Head, peer: str, is_tls: bool
    ) -> tuple[bytes, bytes] | None:
        """The answer to a beacon spelled as we write it, with a token of ours; None for others.

        The same as `answer` in a third of the time (see docs/explain/collector.md).
        """
        says = self._ring.read_beacon(token)
        if says is None:
            return None
        address, is_secure = self._proxies.origin(peer, is_tls, head.control)
        answer = self._answers.image(head, is_secure)
        delivery_id, target = says
        if not self._is_recorded(address, delivery_id, anonymous=False):
            return answer, NOT_RECORDED
        self._counters.hits["o"] += 1
        at = self._answers.time_text(int(time.time() * 1000))
        line = encode_beacon(at, token.lower(), address, delivery_id, target, head.prepared)
        return answer, line

    def record(self, hit: Hit) -> bytes:
        """The line of a hit; `NOT_RECORDED` when it is not to be recorded, which is counted."""
        number = hit.delivery_id
        if hit.action is None:  # what a recipient asks for is always recorded
            if not self._is_recorded(hit.address, number, anonymous=hit.anonymous):
                return NOT_RECORDED
            if number is None and self._is_elsewhere(hit.headers.get("host", "")):
                self._counters.shed["host"] += 1
                return NOT_RECORDED
        (self._counters.junk if number is None else self._counters.hits)[hit.path_kind] += 1
        return encode(hit)

    def _is_recorded(self, address: str, delivery_id: int | None, *, anonymous: bool) -> bool:
        if delivery_id is not None and not anonymous and self._switch.is_untracked(delivery_id):
            self._counters.untracked += 1
            return False
        limiter = self._junk if delivery_id is None else self._hits
        if not limiter.allows(address):
            self._counters.shed["rate"] += 1
            return False
        return True

    def begin_window(self) -> None:
        """Begin to count the hits of each address anew."""
        self._hits.begin_window()
        self._junk.begin_window()

    def _origin(self, request: Request) -> tuple[str, bool]:
        return self._proxies.origin(request.peer, request.is_tls, request.head.control)

    def _is_elsewhere(self, host: str) -> bool:
        return bool(self._hosts) and host.partition(":")[0].lower() not in self._hosts

    def _visit(self, request: Request) -> _Visit | None:
        text = request.url.decode("utf-8", "replace")
        address, is_secure = self._origin(request)
        try:
            locator = read_url(text)
        except BadToken:
            match = _GLIMPSE.search(text.partition("?")[0])
            if match is None:
                return None
            token_text = match[2].lower().removesuffix(".gif")
            to = _glimpse_to(text)
            return _Visit(request, match[1].lower(), token_text, None, None, to, address, is_secure)
        return _Visit(
            request,
            _LETTER[locator.kind],
            locator.token,
            locator,
            self._verify(locator),
            locator.to,
            address,
            is_secure,
        )

    def _verify(self, locator: Locator) -> Token | None:
        # The page behind a beacon: whoever has only the image's URL writes /n/ in place of /o/.
        kinds = (Kind.NOTICE, Kind.OPEN) if locator.kind is Kind.NOTICE else (locator.kind,)
        for kind in kinds:
            with suppress(BadToken):
                return self._ring.read(locator.token, kind, bound=locator.bound)
        return None

    def _hit(self, visit: _Visit, action: str | None = None) -> Hit:
        request, locator, token = visit.request, visit.locator, visit.token
        to = visit.to
        name = locator.name if locator else None
        return Hit(
            at=request.at,
            path_kind=visit.path_kind,
            method=request.head.method,
            token=visit.token_text,
            delivery_id=token.delivery_id if token else None,
            target=token.target if token else None,
            anonymous=token.anonymous if token else False,
            address=visit.address,
            http_version=request.head.http_version,
            headers=request.head.headers,
            to=to if to is None or token else to[:_MAX_JUNK_TO],
            name=name if name is None else name[:_MAX_NAME],
            action=action,
        )

    def _elsewhere(self, request: Request) -> Answer:
        """What is none of our targets.

        Only here is a request refused that names no Host, or two (RFC 9112 section 3.2 would have
        every one refused): no path of ours depends on it, and a reader whose client is so made gets
        the image, the link and the way out like any other.
        """
        _, is_secure = self._origin(request)
        path = request.url.partition(b"?")[0]
        if not _names_one_host(request.head):
            self._counters.refused["400"] += 1
            fields = (("Content-Type", "text/plain"),)
            text = b"400 Bad Request: name one Host\n"
            return Answer(self._answers.make(request.head, is_secure, 400, fields, text))
        if path in (b"/", b"/robots.txt") and request.head.method not in _SAFE_METHODS:
            self._counters.refused["405"] += 1
            allow = ("Allow", "GET, HEAD")
            return Answer(self._page_bytes(request, is_secure, 405, "method", allow))
        if path == b"/robots.txt":
            text = b"User-agent: *\nDisallow: /\n"
            fields = (("Content-Type", "text/plain"),)
            return Answer(self._answers.make(request.head, is_secure, 200, fields, text))
        name, status = ("root", 200) if path == b"/" else ("not_found", 404)
        if status != 200:
            self._counters.refused[str(status)] += 1
        return Answer(self._page_bytes(request, is_secure, status, name))

    def _page_bytes(
        self,
        request: Request,
        is_secure: bool,
        status: int,
        name: str,
        *more: tuple[str, str],
        **values: str,
    ) -> bytes:
        language = choose_language(request.head.headers.get("accept-language", ""))
        body = page(name, language, **values)
        return self._answers.make(request.head, is_secure, status, (*PAGE_FIELDS, *more), body)

    def _page(
        self, visit: _Visit, status: int, name: str, *more: tuple[str, str], **values: str
    ) -> Answer:
        data = self._page_bytes(visit.request, visit.is_secure, status, name, *more, **values)
        return Answer(data, self.record(self._hit(visit)))

    def _not_allowed(self, visit: _Visit, methods: str) -> Answer:
        return self._page(visit, 405, "method", ("Allow", methods))

    def _beacon(self, visit: _Visit) -> Answer:
        return Answer(
            self._answers.image(visit.request.head, visit.is_secure), self.record(self._hit(visit))
        )

    def _link(self, visit: _Visit) -> Answer:
        to = visit.to
        if visit.request.head.method not in _SAFE_METHODS:
            return self._not_allowed(visit, "GET, HEAD")
        if not to:
            return self._page(visit, 404, "link_incomplete")
        if visit.token is None or not names_host(to):
            return self._page(visit, 404, "link_changed", to=to)
        if self._switch.holds_back(to, visit.token.delivery_id):
            self._counters.killed += 1
            return self._page(visit, 410, "link_stopped", to=to)
        fields = (("Location", safe_location(to)),)
        data = self._answers.make(visit.request.head, visit.is_secure, 302, fields)
        return Answer(data, self.record(self._hit(visit)))

    def _attachment(self, visit: _Visit) -> Answer:
        if visit.request.head.method not in _SAFE_METHODS:
            return self._not_allowed(visit, "GET, HEAD")
        if visit.token is None or visit.locator is None or visit.locator.digest is None:
            return self._page(visit, 404, "attachment_changed")
        try:
            file = self._attachments.open(visit.locator.digest)
        except FileNotFoundError:
            return self._page(visit, 404, "attachment_gone")
        except OSError as error:  # no descriptor, a failing disk: it may be there the next time
            _log.error("attachment %s cannot be read: %s", visit.locator.digest, error)
            return self._page(visit, 503, "busy", ("Retry-After", "60"))
        return self._file(visit, file, visit.locator.digest, visit.locator.name or "")

    def _file(self, visit: _Visit, file: BinaryIO, digest: str, name: str) -> Answer:
        part = choose_part(
            visit.request.head.method,
            {**visit.request.head.headers, **visit.request.head.control},
            f'"{digest}"',
            os.fstat(file.fileno()).st_size,
        )
        fields = [
            ("ETag", f'"{digest}"'),
            ("Accept-Ranges", "bytes"),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ]
        if part.content_range:
            fields.append(("Content-Range", part.content_range))
        if part.status in (200, 206):
            fields.append(("Content-Type", _type_of(name)))
            fields.append(("Content-Disposition", _disposition(name)))
        length = part.length if part.status != 304 else part.size
        head = self._answers.make(
            visit.request.head, visit.is_secure, part.status, fields, length=length
        )
        download = Download(file, part, self._hit(visit), self)
        if visit.request.head.method == "HEAD" or part.length == 0:
            file.close()
            return Answer(head, download.line(0) if part.length else download.line(part.length))
        return Answer(head, None, download)

    def _unsubscribe(self, visit: _Visit) -> Answer:
        if visit.token is None:
            return self._page(visit, 404, "token_changed")
        return self._ask(visit, "unsubscribe", "unsubscribe", "unsubscribe_done")

    def _notice(self, visit: _Visit) -> Answer:
        token = visit.token
        if token is None:
            return self._page(visit, 404, "token_changed")
        since = delivery_time(token.delivery_id).strftime("%Y-%m-%d")
        if token.anonymous:
            return self._notice_of_many(visit, token.delivery_id, since)
        return self._ask(visit, "object", "notice", "notice_done", since=since)

    def _notice_of_many(self, visit: _Visit, message_id: int, since: str) -> Answer:
        """The page of a message whose copies are not told apart: whoever says no says who they are.

        Of the address only a mark is recorded, by which ingest finds the recipient.
        """
        method = visit.request.head.method
        if method not in (*_SAFE_METHODS, "POST"):
            return self._not_allowed(visit, "GET, HEAD, POST")
        address = dict(_fields_of(visit.request)).get("address", "").strip()[:_MAX_ADDRESS]
        if method != "POST" or not _is_asked(visit.request) or "@" not in address:
            return self._page(visit, 200, "notice_campaign", since=since)
        address = canonical_address(address)
        hit = replace(self._hit(visit, "object"), name=recipient_mark(message_id, address))
        return self._done(visit, self.record(hit), "notice_campaign_done", None)

    def _ask(self, visit: _Visit, action: str, asks: str, done: str, **values: str) -> Answer:
        """GET asks; POST with the button's or the one-click value acts."""
        method = visit.request.head.method
        if method in _SAFE_METHODS or (method == "POST" and not _is_asked(visit.request)):
            return self._page(visit, 200, asks, **values)
        if method != "POST":
            return self._not_allowed(visit, "GET, HEAD, POST")
        line = self.record(self._hit(visit, action))
        keep = self._objection(visit) if action == "object" else None
        return self._done(visit, line, done, keep)

    def _done(
        self, visit: _Visit, line: bytes, done: str, keep: Callable[[], None] | None
    ) -> Answer:
        """What a recipient asked for is recorded, or they are asked to try again."""
        busy = self._page_bytes(visit.request, visit.is_secure, 503, "busy", ("Retry-After", "60"))
        if self._is_failing():
            return Answer(busy, line, keep=keep)
        data = self._page_bytes(visit.request, visit.is_secure, 200, done)
        return Answer(data, line, otherwise=busy, keep=keep)

    def _objection(self, visit: _Visit) -> Callable[[], None]:
        """Heed the recipient's no from now on; returns what makes it outlast us."""
        assert visit.token is not None  # else there was no button
        delivery_id = visit.token.delivery_id
        self._switch.object(delivery_id)
        return partial(self._switch.keep, delivery_id)

    def _self(self, visit: _Visit) -> Answer:
        if visit.token is None:
            return self._page(visit, 404, "token_changed")
        if visit.request.head.method not in _SAFE_METHODS:
            return self._not_allowed(visit, "GET, HEAD")
        return self._page(visit, 200, "self")


_LETTER = {
    Kind.OPEN: "o",
    Kind.CLICK: "c",
    Kind.ATTACHMENT: "a",
    Kind.UNSUBSCRIBE: "u",
    Kind.NOTICE: "n",
    Kind.SELF: "s",
}


def _names_one_host(head: Head) -> bool:
    """Whether Host stands there once, as HTTP/1.1 wants it; repeated ones are joined by commas."""
    host = head.headers.get("host")
    return head.http_version != "1.1" if host is None else "," not in host


def _glimpse_to(url: str) -> str | None:
    """The destination that a damaged link names, for a page that shows it; None when it is lost."""
    match = _GLIMPSE_TO.search(url)
    return unquote(match[1], errors="replace") if match else None


def _is_asked(request: Request) -> bool:
    """Whether a POST carries what RFC 8058 section 3.2 or our own button sends."""
    return any((name, value.lower()) in _ASKED_BY_FORM for name, value in _fields_of(request))


def _fields_of(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, their names in lower case."""
    if request.head.control.get("content-type", "").lower().startswith("multipart/form-data"):
        found = _FORM_PART.findall(request.body)
        pairs = [(n.decode(), v.decode("utf-8", "replace")) for n, v in found]
    else:
        pairs = parse_qsl(request.body.decode("latin-1"), max_num_fields=50)
    return [(name.lower(), value) for name, value in pairs]


def _type_of(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _disposition(name: str) -> str:
    """RFC 6266: a plain name for old programs, the true one percent-encoded beside it."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)[:_MAX_NAME] or "attachment"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

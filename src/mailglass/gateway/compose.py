"""Makes a message (RFC 5322) of the fields that a program or a form hands in.

Text is UTF-8, and what ASCII cannot say in a header is an encoded word (RFC 2047), so that the
message passes servers without 8BITMIME; only an address whose local part is not ASCII needs
SMTPUTF8 (RFC 6532). The places of a mail merge stand in quoted-printable parts, where
`instrument.fill` puts each recipient's text.
Leaves numbers, Date, Message-ID and tracking to the intake.
"""

from __future__ import annotations

import email.errors
import email.header
import email.utils
import re
from base64 import encodebytes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any

from ..addresses import BadAddress, canonical_domain, check_address
from ..errors import InputError
from ..instrument import mark, placeholders
from ..mime import encode_quoted

__all__ = [
    "AttachedFile",
    "Composed",
    "Fields",
    "NamedAddress",
    "check_size",
    "compose",
    "read_address",
    "read_addresses",
    "recipients_of",
    "without_bcc",
]

_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}", re.IGNORECASE)
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_BCC = re.compile(
    rb"^(?:resent-)?bcc[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)", re.IGNORECASE | re.MULTILINE
)
_HEADER_END = re.compile(rb"\n(?=\r?\n)")

# What the other fields of a request say already, or what only we and the way may say.
_RESERVED = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id"}
    | {"mime-version", "received", "return-path", "dkim-signature"}
)
_RESERVED_BEGINNINGS = ("content-", "resent-", "arc-", "x-mailglass-")

_LINE = 76  # characters of a header line (RFC 5322 2.1.1 asks for at most 78)
_MOST_LINE = 998  # RFC 5322 2.1.1
_NOBODY = "undisclosed-recipients:;"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAddress:
    """An address and the name that is shown beside it."""

    address: str  # its domain in ASCII
    name: str = ""

    @property
    def shown(self) -> str:
        """As it stands in a header."""
        if not self.name:
            return self.address
        if self.name.isascii():
            return f'"{email.utils.quote(self.name)}" <{self.address}>'
        words = email.header.Header(self.name, "utf-8", maxlinelen=_LINE).encode(linesep="\r\n")
        return f"{words}\r\n <{self.address}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedFile:
    """A file that goes along; with a `content_id` it is an image that the HTML shows (`cid:`)."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A message before it is one."""

    author: NamedAddress
    to: tuple[NamedAddress, ...] = ()
    cc: tuple[NamedAddress, ...] = ()
    bcc: tuple[NamedAddress, ...] = ()
    reply_to: tuple[NamedAddress, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[AttachedFile, ...] = ()
    # a mail merge: each recipient of `to` gets a copy of their own; values by address and name
    substitutions: Mapping[str, Mapping[str, str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message, and to whom it goes."""

    raw: bytes
    recipients: tuple[str, ...]
    fillings: Mapping[str, Mapping[str, Any]]  # by recipient, as `instrument.fill` reads them


def check_size(
    raw: bytes, recipients: Sequence[str], *, most_bytes: int, most_recipients: int
) -> None:
    """Raises InputError when a message is larger, or for more people, than is taken."""
    if len(recipients) > most_recipients:
        raise InputError(f"{len(recipients)} recipients are more than the {most_recipients} taken")
    if len(raw) > most_bytes:
        raise InputError(f"the message has {len(raw)} bytes; at most {most_bytes} are taken")


def read_address(text: str) -> NamedAddress:
    """`name@domain` or `Name <name@domain>`; raises InputError.

    A domain in another script becomes its ASCII form (IDNA 2008, RFC 5891).
    """
    if _CONTROL.search(text):
        raise InputError(f"{text!r} holds a control character and is no address")
    found = email.utils.getaddresses([text])
    name, address = found[0] if len(found) == 1 else ("", "")
    if not address:  # an older parser minds other scripts
        address = text.strip()
    try:
        return NamedAddress(address=_ascii_domain(address), name=_decoded(name))
    except BadAddress as error:
        raise BadAddress(
            f"{text[:320]!r} is not of the form name@domain or Name <name@domain>"
        ) from error


def read_addresses(fields: Iterable[str]) -> tuple[NamedAddress, ...]:
    """The addresses of header fields, several in each; raises InputError."""
    found = email.utils.getaddresses([_decoded(text) for text in fields])
    return tuple(
        NamedAddress(address=_ascii_domain(address), name=name)
        for name, address in found
        if address or name
    )


def _ascii_domain(address: str) -> str:
    local, _, domain = check_address(address).rpartition("@")
    return address if domain.isascii() else f"{local}@{canonical_domain(domain)}"


def _decoded(text: str) -> str:
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (ValueError, LookupError):  # a broken encoded word stands for itself
        return text


def recipients_of(raw: bytes) -> tuple[str, ...]:
    """Whom a message's own To, Cc and Bcc name; raises InputError for one that is no address."""
    header = BytesHeaderParser(policy=compat32).parsebytes(raw)
    fields = [str(v) for name in ("To", "Cc", "Bcc") for v in header.get_all(name, [])]
    return tuple(found.address for found in read_addresses(fields))


def without_bcc(raw: bytes) -> bytes:
    """The message without the fields that are nobody else's business (RFC 5322 3.6.3, 3.6.6)."""
    end = _HEADER_END.search(raw)
    cut = end.end() if end else len(raw)
    header = _BCC.sub(b"", raw[:cut])
    return raw if len(header) == cut else header + raw[cut:]


def compose(fields: Fields) -> Composed:
    """The message of some fields; raises InputError that names the field at fault."""
    everybody = (*fields.to, *fields.cc, *fields.bcc)
    if not everybody:
        raise InputError("to, cc and bcc name no recipient")
    if fields.text is None and fields.html is None:
        raise InputError("text and html are both missing; give at least one")
    if fields.substitutions is not None:
        _check_merge(fields, fields.substitutions)
    part = _content(fields)
    header = "".join(f"{name}: {words}\r\n" for name, words in _header_fields(fields))
    raw = header.encode("utf-8") + part.as_bytes(policy=compat32.clone(linesep="\r\n"))
    return Composed(
        raw=raw,
        recipients=tuple(mailbox.address for mailbox in everybody),
        fillings={
            mailbox.address: {
                "to": mailbox.shown,
                "values": dict(_values_for(mailbox, fields.substitutions)),
            }
            for mailbox in everybody
        }
        if fields.substitutions is not None
        else {},
    )


def _check_merge(fields: Fields, values: Mapping[str, Mapping[str, str]]) -> None:
    """Nobody may get a mail that greets them as {{name}}."""
    if fields.cc or fields.bcc:
        raise InputError("with substitutions every recipient stands in `to`; cc and bcc are empty")
    known = {mailbox.address for mailbox in fields.to}
    for address in values:
        if read_address(address).address not in known:
            raise InputError(f"substitutions: {address!r} is none of the recipients in `to`")
    wanted = set().union(
        *(placeholders(text) for text in (fields.subject, fields.text, fields.html) if text)
    )
    for mailbox in fields.to:
        missing = wanted - _values_for(mailbox, values).keys()
        if missing:
            raise InputError(
                f"substitutions: {mailbox.address} has no value for {', '.join(sorted(missing))}"
            )


def _values_for(
    mailbox: NamedAddress, values: Mapping[str, Mapping[str, str]] | None
) -> Mapping[str, str]:
    for address, found in (values or {}).items():
        if read_address(address).address == mailbox.address:
            return found
    return {}


def _header_fields(fields: Fields) -> list[tuple[str, str]]:
    to = [] if fields.substitutions is not None else [m.shown for m in fields.to]
    found = [
        ("From", fields.author.shown),
        ("To", _joined(to) if to or not fields.cc else ""),
        ("Cc", _joined([m.shown for m in fields.cc]) if fields.cc else ""),
        ("Reply-To", _joined([m.shown for m in fields.reply_to]) if fields.reply_to else ""),
        ("Subject", _words("subject", "Subject", fields.subject)),
    ]
    for name, value in fields.headers.items():
        found.append((_custom_name(name), _words(f"headers: {name}", name, value)))
    return [(name, words) for name, words in found if words]


def _joined(shown: list[str]) -> str:
    return ",\r\n ".join(shown) if shown else _NOBODY


def _custom_name(name: str) -> str:
    lower = name.lower()
    if not _FIELD_NAME.fullmatch(name):
        raise InputError(f"headers: {name[:100]!r} is no name of a header field")
    if lower in _RESERVED or lower.startswith(_RESERVED_BEGINNINGS):
        raise InputError(f"headers: {name} is set by another field of the request or by us")
    return name


def _words(where: str, name: str, text: str) -> str:
    """A field's text in ASCII, folded."""
    if _CONTROL.search(text):
        raise InputError(f"{where}: line breaks and control characters cannot stand in a header")
    coding = "us-ascii" if text.isascii() else "utf-8"
    try:
        words = email.header.Header(text, coding, header_name=name, maxlinelen=_LINE)
        shown = words.encode(linesep="\r\n")
    except (UnicodeError, email.errors.MessageError) as error:
        raise InputError(f"{where}: {error}") from error
    if max(map(len, f"{name}: {shown}".split("\r\n"))) > _MOST_LINE:
        raise InputError(f"{where}: a word is longer than the {_MOST_LINE} characters of a line")
    return shown


def _content(fields: Fields) -> Message:
    is_merge = fields.substitutions is not None
    texts: list[Message] = []
    if fields.text is not None:
        texts.append(_text_part("plain", fields.text, is_merge=is_merge))
    inline = [file for file in fields.attachments if file.content_id is not None]
    if fields.html is not None:
        page = _text_part("html", fields.html, is_merge=is_merge)
        texts.append(_multipart("related", [page, *map(_file_part, inline)]) if inline else page)
    elif inline:
        raise InputError(f"attachments: {inline[0].name}: a content_id needs html that shows it")
    body = _multipart("alternative", texts) if len(texts) > 1 else texts[0]
    others = [_file_part(file) for file in fields.attachments if file.content_id is None]
    return _multipart("mixed", [body, *others]) if others else body


def _multipart(kind: str, parts: Iterable[Message]) -> Message:
    whole = MIMEMultipart(kind, policy=compat32)
    for part in parts:
        del part["MIME-Version"]
        whole.attach(part)
    return whole


_FIELDS = {"plain": "text", "html": "html"}  # as whoever writes the message calls them


def _text_part(kind: str, text: str, *, is_merge: bool) -> Message:
    if "\0" in text:
        raise InputError(f"{_FIELDS[kind]}: a NUL character cannot stand in a mail (RFC 5322 2.2)")
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if is_merge:
        coding, body = "quoted-printable", mark(lines, is_html=kind == "html")
    else:
        coding, body = _encoded(lines.replace("\n", "\r\n").encode("utf-8"))
    part = MIMENonMultipart("text", kind, charset="utf-8", policy=compat32)
    part["Content-Transfer-Encoding"] = coding
    part.set_payload(body.decode("ascii"))
    return part


def _encoded(text: bytes) -> tuple[str, bytes]:
    """Quoted-printable, which stays readable, unless base64 is shorter (Chinese, Korean)."""
    quoted = b"".join(p for p in encode_quoted([text], b"\r\n") if isinstance(p, bytes))
    if len(quoted) <= len(text) * 4 // 3 or not text:
        return "quoted-printable", quoted
    return "base64", encodebytes(text).replace(b"\n", b"\r\n")


def _file_part(file: AttachedFile) -> Message:
    where = f"attachments: {file.name[:100]!r}"
    if _CONTROL.search(file.name) or not file.name.strip():
        raise InputError(f"{where}: a file name has printable characters only, at least one")
    main, _, sub = file.content_type.lower().partition("/")
    if not _CONTENT_TYPE.fullmatch(file.content_type) or main in ("multipart", "message"):
        raise InputError(f"{where}: {file.content_type[:100]!r} cannot be a file's content type")
    part = MIMEBase(main, sub, policy=compat32)
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(encodebytes(file.content).replace(b"\n", b"\r\n").decode("ascii"))
    name = file.name if file.name.isascii() else ("utf-8", "", file.name)  # RFC 2231
    if file.content_id is None:
        part.add_header("Content-Disposition", "attachment", filename=name)
    else:
        if not _CONTENT_ID.fullmatch(file.content_id):
            raise InputError(f"{where}: {file.content_id[:100]!r} is no content id")
        part.add_header("Content-Disposition", "inline", filename=name)
        part["Content-ID"] = f"<{file.content_id}>"
    return part

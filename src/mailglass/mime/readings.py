"""Every way in which mail programs read a leaf part: for who must know all that may be displayed.

Nearly every part has one reading, that of `read_content`.  A part whose transfer encoding or
charset is not as the RFCs want it has several, and a hostile sender counts on the one that a filter
does not know; such a part can be written anew so that one is left.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator

from .charsets import Charset, find_charset
from .content import Content, NotEditable, Opened, meta_charset, open_charset
from .iso2022jp import decode_iso2022jp
from .loose import FIELD, coding_names, loose_codings
from .splice import Edit
from .walk import Message, Part

__all__ = ["body_readings", "read_all", "written_anew"]

# Of one part: each further way of reading costs as much as the first.
_MAX_READINGS = 8
# Byte order marks, which browsers believe more than any label (Encoding Standard, section 6).
_MARKS = ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
          (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  # fmt: skip
_ORDERS = ("-le", "-be")
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+")


def read_all(message: Message, part: Part) -> list[Content]:
    """What programs may take for the text of a leaf, the likeliest first; never empty."""
    names = coding_names(message.raw, part)
    charset = find_charset(part.charset)
    codings = loose_codings(names, message.body(part), message.line_end)
    several = ((coding, text) for coding in codings for text in _texts(charset, coding.data))
    found = [next(several)]
    known: set[str] = set()
    for coding, text in several:
        known = known or {found[0][1].markup}
        if text.markup not in known and len(found) < _MAX_READINGS:
            known.add(text.markup)
            found.append((coding, text))
    return [Content(message, part, coding, text) for coding, text in found]


def body_readings(message: Message, part: Part) -> list[bytes]:
    """A part's body without its transfer encoding, each way in which programs read that."""
    names = coding_names(message.raw, part)
    return [coding.data for coding in loose_codings(names, message.body(part), message.line_end)]


def _texts(charset: Charset, data: bytes) -> Iterator[Opened]:
    transparent = charset.transparent and charset.refusal is None
    is_guessed = charset.codec is None or charset.refusal is not None
    mark = next((codec for start, codec in _MARKS if data.startswith(start)), None)
    if transparent and mark is None and b"\0" not in data:
        yield from _plain(data, charset.codec, is_guessed)
        return
    if mark is not None and transparent:
        yield Opened(_replaced(data, mark), mark, False, False)
    if charset.codec is not None and not transparent:
        yield from _declared(charset, data)
        if charset.codec.startswith("iso2022_jp"):
            yield Opened(decode_iso2022jp(data), charset.codec, False, False)
    # As a program reads that does not know the charset, or believes the bytes more than the label.
    codec = charset.codec if transparent else None
    yield from _plain(data, codec, is_guessed)
    if b"\0" in data:
        kept = data.replace(b"\0", b"")
        yield Opened(kept.decode("latin-1"), codec, True, False)


def _plain(data: bytes, codec: str | None, is_guessed: bool) -> Iterator[Opened]:
    """Bytes whose ASCII is ASCII, and what a program guesses when it has no label.

    It looks for the escapes of ISO-2022-JP, and at the document's meta.
    """
    markup = data.decode("latin-1")
    yield Opened(markup, codec, True)
    if not is_guessed:
        return
    if b"\x1b" in data:
        yield Opened(_replaced(data, "iso2022_jp"), "iso2022_jp", False, False)
        yield Opened(decode_iso2022jp(data), "iso2022_jp", False, False)
    named = meta_charset(markup)
    if (
        named is not None
        and named.codec is not None
        and not named.transparent
        and not named.codec.startswith(("utf-16", "utf-32"))  # which a meta does not make it
    ):
        yield Opened(_replaced(data, named.codec), named.codec, False, False)


def _declared(charset: Charset, data: bytes) -> Iterator[Opened]:
    codec = charset.codec or "ascii"
    if charset.refusal is None:
        try:
            yield open_charset(charset, data)
        except NotEditable:
            pass
        else:
            return
    orders = _ORDERS if codec in ("utf-16", "utf-32") else ("",)
    for order in orders:
        yield Opened(_replaced(data, codec + order), codec + order, False, False)


def _replaced(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError):  # a codec that knows no replacement
        return data.decode("latin-1")


def written_anew(
    message: Message,
    part: Part,
    data: bytes,
    *,
    content_type: str | None = None,
    charset: str | None = None,
) -> list[Edit]:
    """The edits that make `data` the content of a part, so that all programs read it in one way.

    Quoted-printable stays that where it can, everything else becomes base64; the fields that name
    the encoding, and the charset if one is given, are made to say so.
    """
    names = coding_names(message.raw, part)
    is_quoted = names == ("quoted-printable",) and data.count(b"\r") == data.count(b"\r\n")
    name = "quoted-printable" if is_quoted else "base64"
    edits: list[Edit] = []
    new = b""
    content_type = content_type or part.content_type
    if charset is not None and (charset, content_type) != (part.charset, part.content_type):
        value = _typed(content_type, charset, part)
        new += _stated(message, part, "content-type", value, edits)
    if names != (name,):
        new += _stated(message, part, FIELD, name, edits)
    start = part.fields[0].start if part.fields else part.start
    if new:
        edits.insert(0, Edit(offset=start, length=0, new=new))
    body = _quoted(data) if is_quoted else encodebytes(data)
    body = body.removesuffix(b"\n").replace(b"\n", message.line_end)
    if any("no empty line" in fault for fault in part.faults):
        body = message.line_end + body
    old = message.body(part)
    if bytes(old[-1:]) in (b"\r", b"\n"):
        body += message.line_end
    edits.append(Edit(offset=part.body_start, length=len(old), new=body))
    return sorted(edits, key=lambda edit: edit.offset)


def _stated(message: Message, part: Part, name: str, value: str, edits: list[Edit]) -> bytes:
    """The field with its value, all others of its name taken out."""
    edits += (
        Edit(offset=field.start, length=field.end - field.start, new=b"")
        for field in part.fields
        if field.name == name
    )
    return f"{name.title()}: {value}".encode("ascii", "replace") + message.line_end


def _typed(content_type: str, charset: str, part: Part) -> str:
    """A Content-Type with the parameters that the part has."""
    parameters = {**part.parameters, "charset": charset}
    return content_type + "".join(
        f"; {name}={_value(text)}" for name, text in parameters.items() if _TOKEN.fullmatch(name)
    )


def _value(text: str) -> str:
    text = "".join(c if " " <= c <= "~" else "?" for c in text)
    if _TOKEN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(data: bytes) -> bytes:
    return b2a_qp(data.replace(b"\r\n", b"\n"), istext=True)

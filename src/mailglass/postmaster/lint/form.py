"""Rules on the form of a message: header, lines, MIME, size, attachments."""

from __future__ import annotations

import re

from ...mime import Standing, standings
from ...model import Finding
from ..case import FAIL, INFO, OK, WARN
from ..findings import finding
from ..hosts import hosts_of_kind
from .reading import Reading

__all__ = ["check_form"]

_REQUIRED = ("from", "date")  # RFC 5322 section 3.6
_SINGLE = (
    *("date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to"),
    *("references", "subject"),
)
_MAX_LINE_BYTES = 998  # RFC 5322 section 2.1.1
_MAX_SUBJECT = 150  # characters; what list views show ends near 80
_WARN_BYTES = 20 << 20  # many receivers stop here
_FAIL_BYTES = 25 << 20  # support.google.com/mail/answer/6584
_KNOWN_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64")
# support.google.com/mail/answer/6590, read 2026-11-22
_REFUSED = re.compile(
    r"\.(?:ade|adp|apk|appx?|bat|cab|chm|cmd|com|cpl|dll|dmg|exe|hta|ins|isp|iso|jar|jse?|lib|lnk|"
    r"mde|msc|msi|msp|mst|nsh|pif|ps1|scr|sct|shb|sys|vbe?|vbs|vxd|wsc|wsf|wsh)\Z",
    re.IGNORECASE,
)


def check_form(reading: Reading) -> list[Finding]:
    """Every finding on the form."""
    return [
        _header(reading),
        _author(reading),
        _subject(reading),
        _lines(reading),
        _mime(reading),
        _size(reading),
        _attachments(reading),
    ]


def _header(reading: Reading) -> Finding:
    names = [f.name for f in reading.message.root.fields]
    repeated = sorted({name for name in _SINGLE if names.count(name) > 1})
    if repeated:
        fields = ", ".join(repeated)
        return finding("lint.header", FAIL, f"repeated: {fields}", fix="repeated", fields=fields)
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        fields = ", ".join(missing)
        return finding("lint.header", FAIL, f"missing: {fields}", fix="missing", fields=fields)
    if "message-id" not in names:
        return finding(
            "lint.header",
            WARN,
            "missing: message-id; servers on the way add their own",
            fix="missing",
            fields="message-id",
        )
    return finding("lint.header", OK, f"{len(names)} fields, none missing or repeated")


def _author(reading: Reading) -> Finding:
    authors = reading.authors
    if len(authors) != 1:
        fault = f"{len(authors)} addresses in From" if authors else "no address in From"
        return finding("lint.author", FAIL, fault, fix="broken", fault=fault)
    domain = reading.author_domain
    if domain in hosts_of_kind("mailbox"):
        return finding(
            "lint.author",
            WARN,
            f"{authors[0]} is an address of a mailbox provider",
            fix="provider",
            domain=domain,
        )
    return finding("lint.author", OK, authors[0])


def _subject(reading: Reading) -> Finding:
    subject = reading.subject.strip()
    fault = ""
    letters = [c for c in subject if c.isalpha() and c.upper() != c.lower()]
    if not subject:
        fault = "it is empty"
    elif len(subject) > _MAX_SUBJECT:
        fault = f"it has {len(subject)} characters"
    elif len(letters) > 10 and all(c.isupper() for c in letters):
        fault = "it is all capitals"
    elif re.match(r"(?:re|fwd?|aw|答复|回复|회신)\s*[:：]", subject, re.IGNORECASE) and not (
        reading.values("in-reply-to") or reading.values("references")
    ):
        fault = "it claims to be a reply, but the message answers nothing"
    if fault:
        return finding("lint.subject", WARN, fault, fix="broken", fault=fault)
    return finding("lint.subject", OK, subject)


def _lines(reading: Reading) -> Finding:
    raw = reading.raw
    head = raw[: reading.message.root.body_start]
    fault = ""
    if not head.isascii():
        fault = "the header holds raw 8-bit bytes"
    elif b"\0" in raw:
        fault = "the message holds a NUL byte"
    elif re.search(rb"\r(?!\n)", raw):
        fault = "a carriage return stands alone"
    elif b"\r\n" in raw and re.search(rb"(?<!\r)\n", raw):
        fault = "some lines end in LF, others in CRLF"
    elif (longest := max(map(len, re.split(rb"[\r\n]+", raw)))) > _MAX_LINE_BYTES:
        fault = f"a line has {longest} bytes, more than {_MAX_LINE_BYTES}"
    if fault:
        return finding("lint.lines", WARN, fault, fix="broken", fault=fault)
    return finding("lint.lines", OK, f"no line over {_MAX_LINE_BYTES} bytes")


def _mime(reading: Reading) -> Finding:
    faults = list(reading.faults)
    for part in reading.message.parts:
        if part.transfer_encoding not in _KNOWN_ENCODINGS:
            faults.append(f"unknown transfer encoding {part.transfer_encoding[:40]}")
    if len(reading.message.parts) > 1 and not reading.values("mime-version"):
        faults.append("MIME-Version is missing")
    if faults:
        shown = "; ".join(faults[:5])
        status = WARN if faults == ["MIME-Version is missing"] else FAIL
        return finding("lint.mime", status, shown, fix="broken", fault=shown)
    return finding("lint.mime", OK, f"{len(reading.message.parts)} parts, all readable")


def _size(reading: Reading) -> Finding:
    size = len(reading.raw)
    observed = f"{size / (1 << 20):.1f} MB"
    if size >= _WARN_BYTES:
        return finding("lint.size", FAIL if size >= _FAIL_BYTES else WARN, observed, fix="large")
    return finding("lint.size", OK, observed)


def _attachments(reading: Reading) -> Finding:
    names = [part.file_name for part in reading.message.parts if part.file_name]
    refused = [name for name in names if _REFUSED.search(name.strip())]
    if refused:
        shown = ", ".join(refused[:5])
        return finding("lint.attachments", FAIL, shown, fix="refused", names=shown)
    count = sum(each is Standing.ATTACHMENT for each in standings(reading.message))
    return finding("lint.attachments", OK if count else INFO, f"{count} attachments")

"""Messages for the tests of the guard."""

from __future__ import annotations

import base64
import quopri

HEAD = (
    "From: News <news@shop.example>\r\nTo: Reader <reader@example.org>\r\n"
    "Subject: News\r\nMIME-Version: 1.0\r\n"
)


def mail(
    html: str | bytes,
    *,
    encoding: str = "8bit",
    charset: str = "utf-8",
    head: str = "",
    content_type: str = "text/html",
) -> bytes:
    """A message of one HTML part."""
    data = html.encode(charset) if isinstance(html, str) else html
    if encoding == "base64":
        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data).replace(b"\n", b"\r\n")
    fields = (
        f"{HEAD}{head}Content-Type: {content_type}; charset={charset}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return fields.encode() + data


def multipart(kind: str, *parts: tuple[str, str], head: str = "") -> bytes:
    """A multipart of (header lines, body) parts; `kind` may have parameters behind it."""
    kind, _, parameters = kind.partition(";")
    parameters = f";{parameters}" if parameters else ""
    lines = [f'{HEAD}{head}Content-Type: multipart/{kind}{parameters}; boundary="b-{kind}"\r\n']
    for fields, body in parts:
        lines.append(f"--b-{kind}\r\n{fields}\r\n\r\n{body}\r\n")
    return ("\r\n".join([lines[0], "".join(lines[1:])]) + f"--b-{kind}--\r\n").encode()

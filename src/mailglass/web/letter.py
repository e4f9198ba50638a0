"""The compose form as data: from the browser's fields to a draft, and to the fields of a message.

The formatted text comes from a browser's editor; what no mail needs, scripts and handlers first, is
taken out by nh3, since a draft is shown again to whoever opens it.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode
from starlette.datastructures import FormData, UploadFile

from ..errors import InputError
from ..gateway import AttachedFile, Fields, NamedAddress, read_address
from ..gateway.compose import read_addresses

__all__ = ["Letter", "new_once", "read_letter"]

_TEXTS = ("author", "to", "cc", "bcc", "subject", "text", "html", "campaign", "tag", "once")
_TICKS = ("opens", "links", "attachments", "receipt")
_TAGS = {
    *("a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "img"),
    *("li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead"),
    *("tr", "u", "ul"),
}
_BLOCKS = {"p", "div", "li", "h1", "h2", "h3", "tr", "blockquote", "pre", "hr", "ul", "ol"}
_LINES = {"li", "tr"}  # blocks without space around them
_ONCE_CHARACTERS = 100
_MANY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What stands in the form."""

    author: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""  # when nothing is formatted
    html: str = ""  # what the editor made; without scripts
    campaign: str = ""
    tag: str = ""
    opens: bool = True
    links: bool = True
    attachments: bool = False  # as download links
    receipt: bool = False
    once: str = ""  # the form's own name: what was sent from it is sent once
    files: tuple[AttachedFile, ...] = ()

    def content(self) -> Mapping[str, Any]:
        """As a draft keeps it."""
        values = {name: getattr(self, name) for name in (*_TEXTS, *_TICKS)}
        return {**values, "files": [_file_content(file) for file in self.files]}

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Letter:
        """From a draft."""
        known = {k: v for k, v in content.items() if k in (*_TEXTS, *_TICKS)}
        return cls(**known, files=tuple(_file(item) for item in content.get("files", ())))

    def fields(self) -> Fields:
        """As the gateway composes it; raises InputError that names the field at fault."""
        text = _plain(self.html) if self.html else self.text
        return Fields(
            author=_author(self.author),
            to=_addresses("To", self.to),
            cc=_addresses("Cc", self.cc),
            bcc=_addresses("Bcc", self.bcc),
            subject=self.subject,
            text=text,
            html=self.html or _page(self.text),
            attachments=self.files,
        )

    def tracking(self) -> Mapping[str, Any]:
        """The options of instrumentation that the ticks mean."""
        return {
            "opens": self.opens,
            "links": self.links,
            "attachments": "link" if self.attachments else "keep",
            "receipt_to": read_address(self.author).address if self.receipt else None,
        }


async def read_letter(form: FormData, before: Letter) -> Letter:
    """The form; of the files before, those stay whose tick stands."""
    kept = {str(value) for value in form.getlist("kept")}
    files = [file for place, file in enumerate(before.files) if str(place) in kept]
    for upload in form.getlist("files"):
        if isinstance(upload, UploadFile) and upload.filename:
            files.append(await _uploaded(upload))
    values: dict[str, Any] = {name: str(form.get(name, "")) for name in _TEXTS}  # of two types
    values |= {name: form.get(name) == "yes" for name in _TICKS}
    values["html"] = _clean(values["html"])
    values["once"] = values["once"][:_ONCE_CHARACTERS] or before.once or new_once()
    return Letter(**values, files=tuple(files))


def new_once() -> str:
    """A name for a form that nobody has filled in yet."""
    return secrets.token_urlsafe(12)


async def _uploaded(upload: UploadFile) -> AttachedFile:
    said = upload.content_type or "application/octet-stream"
    # a message keeps its bytes as a file of any kind; as message/rfc822 it could not be base64
    is_mail = said.lower().startswith(("message/", "multipart/"))
    return AttachedFile(
        name=(upload.filename or "").replace("\\", "/").rpartition("/")[2],
        content=await upload.read(),
        content_type="application/octet-stream" if is_mail else said,
    )


def _file_content(file: AttachedFile) -> Mapping[str, str]:
    return {
        "name": file.name,
        "content_type": file.content_type,
        "content": base64.b64encode(file.content).decode("ascii"),
    }


def _file(item: Mapping[str, str]) -> AttachedFile:
    return replace(
        AttachedFile(name=item["name"], content=base64.b64decode(item["content"])),
        content_type=item["content_type"],
    )


def _author(text: str) -> NamedAddress:
    if not text.strip():
        raise InputError("From: say from which address the mail comes")
    return read_address(text)


def _addresses(name: str, text: str) -> tuple[NamedAddress, ...]:
    try:
        return read_addresses([text.replace(";", ",")]) if text.strip() else ()
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _clean(html: str) -> str:
    """The editor's page without what no mail needs; empty when no text is left in it."""
    cleaned = nh3.clean(html, tags=_TAGS, link_rel=None, url_schemes={"http", "https", "mailto"})
    has_content = "<img" in cleaned or _plain(cleaned).strip()
    return cleaned if has_content else ""


def _page(text: str) -> str | None:
    """Plain text as a page, so that what is ticked can be tracked: paragraphs, nothing else."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    return "\n".join(
        f"<p>{nh3.clean_text(p).replace('&#10;', '<br>').replace('&#32;', ' ')}</p>"
        for p in paragraphs
    )


def _plain(html: str) -> str:
    """The text of a page, a line a block, links behind their words."""
    body = LexborHTMLParser(html).body
    parts: list[str] = []
    if body is not None:
        _collect(body, parts)
    lines = (line.strip() for line in "".join(parts).splitlines())
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


def _collect(body: LexborNode, parts: list[str]) -> None:
    """Without recursion: an editor's page may be nested deeper than Python's stack."""
    waiting: list[LexborNode | str] = [body]
    while waiting:
        child = waiting.pop()
        if isinstance(child, str):
            parts.append(child)
            continue
        tag = child.tag
        if tag == "-text":
            parts.append(re.sub(r"\s+", " ", child.text(deep=False)))
            continue
        if tag in _BLOCKS:
            parts.append("\n" if tag in _LINES else "\n\n")
        parts.append("- " if tag == "li" else "")
        href = (child.attributes.get("href") or "") if tag == "a" else ""
        after = f" <{href}>" if href and href != (child.text() or "").strip() else ""
        after += "\n" if tag == "br" or tag in _BLOCKS - _LINES else ""
        waiting.append(after)
        waiting += [*child.iter(include_text=True)][::-1]

"""Finds addresses in text that people and programs wrote (RFC 5321 section 4.1.2, RFC 6531)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Mention", "clean_address", "mentions", "plain_address"]

_MAX_LOCAL = 128  # RFC 5321 allows 64; rewritten senders (SRS, VERP) go beyond
# Matched backwards from the @, so that a long run of letters without one costs nothing.
_LOCAL = re.compile(r"\"[^\"\n]{1,128}\"|[^\s<>@\"(),:;\[\]\\：（）【】「」《》，。；、“”]{1,128}")
_DOMAIN = re.compile(r"[^\W_](?:[\w-]|\.(?=[\w-])){0,253}|\[[\d.]{7,15}\]")
# Chinese and Japanese put no space between words and an address in Latin letters.
_CJK_BEFORE = re.compile(r".*[\u2e80-\uffef](?=[!-~]+\Z)")
_CJK_AFTER = re.compile(r"([A-Za-z0-9.-]+\.[A-Za-z]{2,63})[\u2e80-\uffef]")
_XTEXT = re.compile(r"\+([2-7][0-9A-F])")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")  # of the type utf-8 (RFC 6533 section 3)
_TYPE = re.compile(r"\s*[\w-]{1,20}\s*;\s*")


@dataclass(frozen=True, slots=True)
class Mention:
    """An address and the text of its line on both sides."""

    address: str
    before: str
    after: str


def mentions(line: str) -> list[Mention]:
    """The addresses of a line, from left to right."""
    found: list[Mention] = []
    at = line.find("@")
    while at >= 0:
        domain = _DOMAIN.match(line, at + 1)
        local = _LOCAL.match(line[max(0, at - _MAX_LOCAL) : at][::-1])
        if domain and local:
            name = local[0][::-1].lstrip("'*=.-|`")
            place = domain[0].rstrip("-")
            if not (name + place).isascii():
                name, place = _without_words(name, place)
            if name and not name.endswith("..."):  # "david...@": a group's archive cut it
                end = at + 1 + len(place)
                found.append(Mention(f"{name}@{place}", line[: at - len(name)], line[end:]))
        at = line.find("@", at + 1)
    return found


def _without_words(name: str, place: str) -> tuple[str, str]:
    """An address in Latin letters without the words that stand directly at its sides."""
    after = _CJK_AFTER.match(place)
    place = after[1] if after else place
    before = _CJK_BEFORE.match(name) if place.isascii() else None
    return (name[before.end() :] if before else name), place


def clean_address(value: str) -> str | None:
    """The address in a field such as `rfc822; <user@example>`, else None."""
    text = _TYPE.sub("", value[:1024], count=1)
    if "\\x{" in text:
        text = _EMBEDDED.sub(lambda found: _character(found[1]), text)
    found = mentions(text)
    return found[0].address if found else None


def plain_address(address: str) -> str:
    """The address without xtext (RFC 3461 section 4): some servers report ORCPT as they got it."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), address)


def _character(code: str) -> str:
    number = int(code, 16)
    is_one = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return chr(number) if is_one else "?"

"""Finds addresses in text that people and programs wrote (RFC 5321 section 4.1.2, RFC 6531)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Mention", "clean_address", "mentions"]

_MAX_LOCAL = 128  # RFC 5321 allows 64; rewritten senders (SRS, VERP) go beyond
# Matched backwards from the @, so that a long run of letters without one costs nothing.
_LOCAL = re.compile(r"\"[^\"\n]{1,128}\"|[^\s<>@\"(),:;\[\]\\]{1,128}")
_DOMAIN = re.compile(r"[^\W_](?:[\w-]|\.(?=[\w-])){0,253}|\[[\d.]{7,15}\]")
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
            if name and not name.endswith("..."):  # "david...@": a group's archive cut it
                address = f"{name}@{domain[0].rstrip('-')}"
                found.append(Mention(address, line[: at - len(name)], line[domain.end() :]))
        at = line.find("@", at + 1)
    return found


def clean_address(value: str) -> str | None:
    """The address in a field such as `rfc822; <user@example>`, else None."""
    found = mentions(_TYPE.sub("", value[:1024], count=1))
    return found[0].address if found else None

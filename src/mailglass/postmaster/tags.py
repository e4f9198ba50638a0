"""Lists of tag=value, as DKIM, DMARC, BIMI, MTA-STS and TLS-RPT records are written.

The grammar is that of RFC 6376 section 3.2; the record types differ only in how strict they are
about it, which their checks decide.
"""

from __future__ import annotations

import re

from ..errors import InputError

__all__ = ["TagSyntaxError", "parse_tags", "versioned"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*")


class TagSyntaxError(InputError):
    """A record is no list of tags."""

    id = "tag-syntax"


def parse_tags(text: str) -> dict[str, str]:
    """The tags in their order, white space around names and values removed.

    Raises TagSyntaxError at a part without `=`, a name of other characters, or a tag set twice.
    """
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, sign, value = (piece.strip(" \t\r\n") for piece in part.partition("="))
        if not name and not sign:
            continue
        if not sign or not _NAME.fullmatch(name):
            raise TagSyntaxError(f"{part.strip()[:40]!r} is no tag=value")
        if name in tags:
            raise TagSyntaxError(f"the tag {name} stands twice")
        tags[name] = value
    return tags


def versioned(records: tuple[str, ...], version: str) -> tuple[str, ...]:
    """Those records that begin with the tag v of this version."""
    start = re.compile(r"v[ \t]*=[ \t]*" + re.escape(version) + r"[ \t]*(;|\Z)")
    return tuple(record for record in records if start.match(record))

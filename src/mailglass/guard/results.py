"""Reads the name of whoever wrote an Authentication-Results field (RFC 8601 section 2.2)."""

from __future__ import annotations

import re

__all__ = ["authserv_id"]

_NAME = re.compile(r'"((?:[^"\\]|\\.)*+)"|([^\s;()"]++)', re.DOTALL)
_IN_COMMENT = re.compile(r"[()]|\\.", re.DOTALL)


def authserv_id(value: str) -> str:
    """The lower-case authserv-id of a field's value; empty when there is none.

    Comments and folds may stand before it, and quotes around it: a forged field that hides its
    name in them is the same to whoever believes it.
    """
    match = _NAME.match(value, _past_comments(value))
    if match is None:
        return ""
    quoted, plain = match.groups()
    return (plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)).lower().rstrip(".")


def _past_comments(value: str) -> int:
    """Where the first word begins behind white space and comments, which nest (RFC 5322 3.2.2)."""
    depth = position = 0
    while position < len(value):
        if depth:
            mark = _IN_COMMENT.search(value, position)
            if mark is None:
                return len(value)
            depth += {"(": 1, ")": -1}.get(mark.group(), 0)
            position = mark.end()
        elif value[position] == "(":
            depth, position = 1, position + 1
        elif value[position].isspace():
            position += 1
        else:
            return position
    return position

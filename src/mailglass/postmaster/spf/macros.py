"""Macros of SPF (RFC 7208 section 7): their grammar and their expansion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

__all__ = ["MacroError", "check_domain_spec", "check_macro_string", "expand", "letters"]

_PIECE = re.compile(
    r"%\{(?P<letter>[slodiphcrtvSLODIPHCRTV])(?P<count>[0-9]*)(?P<reverse>[rR]?)"
    r"(?P<delimiters>[.\-+,/_=]*)\}"
    r"|(?P<escape>%[%_\-])"
    r"|(?P<literal>[\x21-\x24\x26-\x7e]+)"
)
# toplabel: letters, digits and inner hyphens, not all digits (section 7.1).
_END = re.compile(r".*\.(?![0-9]+\.?\Z)[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.?", re.DOTALL)
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_ONLY_IN_EXPLANATIONS = set("crt")


class MacroError(ValueError):
    """The text breaks the grammar of macros."""


def _pieces(text: str, *, spaces: bool = False) -> list[re.Match[str]]:
    pieces: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            if spaces and text[position] == " ":
                position += 1
                continue
            raise MacroError(f"a macro or character is not allowed at {text[position:][:12]!r}")
        if piece["count"] and int(piece["count"]) == 0:
            raise MacroError(f"{piece[0]} keeps no label")
        pieces.append(piece)
        position = piece.end()
    return pieces


def check_macro_string(text: str) -> None:
    """Raise MacroError unless `text` is a macro-string."""
    _pieces(text)


def check_domain_spec(text: str) -> None:
    """Raise MacroError unless `text` is a domain-spec: it ends in a macro or a top label."""
    pieces = _pieces(text)
    if not pieces:
        raise MacroError("the domain is empty")
    for piece in pieces:
        if (piece["letter"] or "").lower() in _ONLY_IN_EXPLANATIONS:
            raise MacroError(f"{piece[0]} may stand in explanations only")
    last = pieces[-1]
    if last["literal"] and not _END.fullmatch(last["literal"]):
        raise MacroError(f"{text} does not end in a domain name of two labels or a macro")


def letters(text: str) -> set[str]:
    """The macro letters that occur in a checked text, lower case."""
    return {piece["letter"].lower() for piece in _pieces(text) if piece["letter"]}


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with its macros replaced by `values` (lower-case letters)."""
    out: list[str] = []
    position = 0
    for piece in _pieces(text, spaces=True):
        out.append(text[position : piece.start()])
        position = piece.end()
        if piece["letter"]:
            out.append(_transform(piece, values[piece["letter"].lower()]))
        else:
            out.append(_ESCAPES.get(piece[0], piece[0]))
    return "".join(out) + text[position:]


def _transform(piece: re.Match[str], value: str) -> str:
    if piece["count"] or piece["reverse"] or piece["delimiters"]:
        labels = re.split("[" + re.escape(piece["delimiters"] or ".") + "]", value)
        if piece["reverse"]:
            labels.reverse()
        if piece["count"]:
            labels = labels[-min(int(piece["count"]), len(labels)) :]
        value = ".".join(labels)
    return quote(value, safe="") if piece["letter"].isupper() else value

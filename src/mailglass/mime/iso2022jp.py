"""ISO-2022-JP as browsers read it, also where it is written badly (Encoding Standard, 12.2).

Python's codec gives up on other bytes than a browser does after an escape that comes too early or
is cut off, and so sees text where a browser sees a tag.
"""

from __future__ import annotations

import re

__all__ = ["decode_iso2022jp"]

_STRETCH = re.compile(rb"[^\x1b]++|\x1b")
_ESCAPE = re.compile(rb"\x1b(?:\((?:[BJI])|\$[@B])")
_STATES = {b"\x1b(B": "ascii", b"\x1b(J": "roman", b"\x1b(I": "katakana"}
_BAD = "\ufffd"
_ONE_BYTE = {
    "ascii": dict.fromkeys((14, 15, *range(128, 256)), _BAD),
    "roman": {0x5C: "\xa5", 0x7E: "\u203e"} | dict.fromkeys((14, 15, *range(128, 256)), _BAD),
    "katakana": {b: chr(0xFF61 + b - 0x21) if 0x21 <= b <= 0x5F else _BAD for b in range(0x100)},
}


def decode_iso2022jp(data: bytes) -> str:
    """The text that a browser shows; what is no character is U+FFFD, as there."""
    found: list[str] = []
    state, lead = "ascii", 0
    has_output = True  # whether anything came since the last escape, without which one is an error
    position = 0
    while position < len(data):
        if escape := _ESCAPE.match(data, position):
            if lead or not has_output:
                found.append(_BAD)
            state, lead, has_output = _STATES.get(escape[0], "pairs"), 0, False
            position = escape.end()
            continue
        stretch = _STRETCH.match(data, position)
        if stretch is None:  # cannot be: it matches any byte
            break
        position = stretch.end()
        has_output = True
        if stretch[0] == b"\x1b":  # of no escape: an error, and what follows is read on
            found.append(_BAD * (2 if lead else 1))
            lead = 0
        elif state == "pairs":
            text, lead = _pairs(stretch[0], lead)
            found.append(text)
        else:
            found.append(stretch[0].decode("latin-1").translate(_ONE_BYTE[state]))
    return "".join((*found, _BAD if lead else ""))


def _pairs(data: bytes, lead: int) -> tuple[str, int]:
    """Characters of two bytes each, and the first byte of one that is not complete."""
    found: list[str] = []
    for byte in data:
        if not lead:
            if 0x21 <= byte <= 0x7E:
                lead = byte
            else:
                found.append(_BAD)
        else:
            pair = bytes((lead | 0x80, byte | 0x80)) if 0x21 <= byte <= 0x7E else b""
            found.append(pair.decode("euc_jp", "replace")[:1] or _BAD)
            lead = 0
    return "".join(found), lead

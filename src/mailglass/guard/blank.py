"""What stands in for a thing that is not to be loaded: nothing, of the same size."""

from __future__ import annotations

import base64
import struct
from functools import lru_cache

from .references import Reference, Shows

__all__ = ["blank_gif", "stand_in"]

_MAX_SIDE = 0xFFFF  # GIF89a holds a side in 16 bits


@lru_cache(maxsize=256)
def blank_gif(width: int = 1, height: int = 1) -> str:
    """A transparent picture of that size as a data: URL.

    The picture is one pixel on a screen of the wanted size (GIF89a, logical screen descriptor), so
    that it has 43 bytes whatever its size.
    """
    sides = (max(1, min(side, _MAX_SIDE)) for side in (width, height))
    data = (
        b"GIF89a"
        + struct.pack("<HH", *sides)
        + b"\x80\0\0"  # a table of two colours
        + b"\0\0\0\xff\xff\xff"
        + b"\x21\xf9\x04\x01\0\0\0\0"  # colour 0 is transparent
        + b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b"
    )
    return "data:image/gif;base64," + base64.b64encode(data).decode("ascii")


_INSTEAD = {
    Shows.STYLE: "data:text/css,",
    Shows.FONT: "data:,",
    Shows.MEDIA: "data:,",
    Shows.FRAME: "about:blank",
    Shows.SILENT: "data:,",
    Shows.INERT: "about:blank",
}


def stand_in(reference: Reference) -> str:
    """What the reference's span becomes."""
    if reference.is_text or reference.loader in _EMPTIED:
        return ""
    if reference.shows is Shows.PICTURE:
        box = reference.box
        return blank_gif(round(box.width or 1), round(box.height or 1))
    return _INSTEAD[reference.shows]


# A refresh to nothing would reload the message for ever; a document of its own is emptied whole.
_EMPTIED = frozenset(("meta-refresh", "iframe-srcdoc-nested", "base-href", "head-profile"))

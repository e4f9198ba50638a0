"""How large an element is declared to be, and whether it or what holds it is hidden.

Only what stands in the message counts: attributes, inline styles and plain class or id rules of its
style sheets. Rules inside `@media` are left out, because newsletters hide in them what is meant for
other screens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from .css import without_disguise

__all__ = ["NO_BOX", "Box", "box_of", "hidden_selectors", "hides", "is_hidden_by_rule"]

_DECLARATION = re.compile(r"(?:\A|;)\s*+([\w-]++)\s*+:\s*+([^;]*+)")
_LENGTH = re.compile(r"\s*+(\d*+(?:\.\d++)?+)\s*+(px|pt|in|cm|mm|em|rem|)(?![\w%])", re.IGNORECASE)
_PIXELS = dict(
    zip(
        ("", "px", "pt", "in", "cm", "mm", "em", "rem"),
        (1, 1, 4 / 3, 96, 37.8, 3.78, 16, 16),
        strict=True,
    )
)
_BRACE = re.compile(r"[{}]")
_SELECTOR = re.compile(r"(?:[a-z]\w*+)?([.#][\w-]++)\Z", re.IGNORECASE)
# Farther than any screen: text and pictures moved there are hidden.
_OFF_SCREEN_PIXELS = -500


@dataclass(frozen=True, slots=True)
class Box:
    """The declared size of a picture, in CSS pixels; None where nothing fixed is declared."""

    width: float | None = None
    height: float | None = None

    @property
    def is_invisible(self) -> bool:
        """Whether a person cannot see it: a side of nothing, or both sides of two pixels or less.

        A line or a spacer has one thin side; a beacon has two, or declares just one.
        """
        sides = [side for side in (self.width, self.height) if side is not None]
        if any(side == 0 for side in sides):
            return True
        limit = 2 if len(sides) == 2 else 1
        return bool(sides) and all(side <= limit for side in sides)


NO_BOX = Box()


def box_of(attributes: Mapping[str, str]) -> Box:
    """The declared size; a style goes before the attributes, as in browsers."""
    style, width, height = (attributes.get(name, "") for name in ("style", "width", "height"))
    if len(style) + len(width) + len(height) > _MAX_KNOWN:
        return _box(style, width, height)
    return _box_known(style, width, height)


def _box(text: str, width: str, height: str) -> Box:
    style = _declarations(text, "width", "height")
    sides: list[float | None] = []
    for name, attribute in (("width", width), ("height", height)):
        largest = _pixels(style.get(f"max-{name}"))
        side = _pixels(style.get(name) or attribute)
        sides.append(largest if largest is not None and (side is None or largest < side) else side)
    return Box(*sides)


# The same few styles stand in all of a newsletter; what is remembered takes 1 MB at most.
_MAX_KNOWN = 500
_box_known = lru_cache(maxsize=2048)(_box)


def hides(style: str) -> bool:
    """Whether an inline style hides the element and everything in it."""
    lowered = without_disguise(style).lower()
    if not any(
        hint in lowered for hint in ("none", "hid", "opacity", "position", "height", "clip")
    ):
        return False
    found = _declarations(lowered)
    if found.get("display") == "none" or found.get("visibility") in ("hidden", "collapse"):
        return True
    if _number(found.get("opacity")) == 0:
        return True
    if found.get("overflow") == "hidden":
        sides = (found.get(n) for n in ("height", "max-height", "width", "max-width"))
        if any(_pixels(side) == 0 for side in sides):
            return True
    if found.get("position") in ("absolute", "fixed"):
        places = (_number(found.get(n)) for n in ("left", "top", "right"))
        return any(place is not None and place < _OFF_SCREEN_PIXELS for place in places)
    return False


def hidden_selectors(css: str) -> set[str]:
    """The classes (`.name`) and ids (`#name`) that plain rules of a style sheet hide."""
    found: set[str] = set()
    depth = 0
    prelude = ""
    position = 0
    for match in _BRACE.finditer(css):
        text, position = css[position : match.start()], match.end()
        if match.group() == "{":
            depth += 1
            prelude = text
            continue
        if depth == 1 and (hides(text) or box_of({"style": text}).is_invisible):
            for selector in prelude.split(","):
                if name := _SELECTOR.match(selector.strip()):
                    found.add(name.group(1))
        depth = max(0, depth - 1)
        prelude = "@"
    return found


def is_hidden_by_rule(attributes: Mapping[str, str], selectors: set[str]) -> bool:
    """Whether the element's class or id is among the hidden ones."""
    if not selectors:
        return False
    names = [f".{name}" for name in attributes.get("class", "").split()]
    return "#" + attributes.get("id", "") in selectors or not selectors.isdisjoint(names)


def _declarations(style: str, *hints: str) -> dict[str, str]:
    """The last value of each property; nothing when none of the hints stands in the style."""
    if hints and "\\" not in style and not any(hint in style.lower() for hint in hints):
        return {}
    return {
        name.lower(): value.lower().replace("!important", "").strip()
        for name, value in _DECLARATION.findall(without_disguise(style))
    }


def _pixels(value: str | None) -> float | None:
    if not value:
        return None
    if value.isdecimal() and value.isascii() and len(value) < 10:
        return float(value)
    match = _LENGTH.match(value)
    if match is None or not match.group(1) or match.group(1) == ".":
        return None
    return float(match.group(1)) * _PIXELS[match.group(2).lower()]


def _number(value: str | None) -> float | None:
    match = re.match(r"-?\d{1,9}(?:\.\d{1,9})?|-?\.\d{1,9}", value or "")
    return float(match.group()) if match else None

"""Sentences that were made in English, in another language.

Each was made from a template by putting values in; here the template is found again, its
translation taken, and the values, which may be sentences themselves, put into that. What fits no
template stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .catalog import Language

__all__ = ["Phrasebook"]

_WHEN = re.compile(r"on (\d{4}-\d\d-\d\d) at (\d\d:\d\d:\d\d)")
_PLACE = re.compile(r"\{(\w+)\}")
_VALUES = {"when": r"on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d", "n": r"\d+"}
_DEPTH = 4  # a sentence in a sentence in a sentence; more is nobody's
_MAX_TEXT = 16_384  # characters; a stranger's text in a sentence of ours may be long


@dataclass(frozen=True, slots=True)
class _Template:
    text: str
    pattern: re.Pattern[str]


class Phrasebook:
    """Tells the sentences of some templates; `{name}` is a place for a value."""

    def __init__(self, templates: Iterable[str]) -> None:
        known = dict.fromkeys(templates)
        self._whole = frozenset(text for text in known if not _PLACE.search(text))
        # Those with the most words of their own first: they say the most.
        self._open = sorted(
            (_Template(text, _pattern(text)) for text in known if _has_places_and_words(text)),
            key=lambda template: -len(_PLACE.sub("", template.text)),
        )

    def tell(self, text: str, language: Language, zone: tzinfo = UTC) -> str:
        """A sentence of ours in that language; its moments (`on ... at ...`) in that zone."""
        return self._tell(text, language, zone, _DEPTH) if len(text) <= _MAX_TEXT else text

    def _tell(self, text: str, language: Language, zone: tzinfo, depth: int) -> str:
        if text in self._whole:
            return language.say(text)
        moment = _WHEN.fullmatch(text)
        if moment:
            at = datetime.fromisoformat(f"{moment[1]}T{moment[2]}").replace(tzinfo=UTC)
            return language.say("on %(time)s", time=language.time(at, zone))
        for template in self._open if depth else ():
            found = template.pattern.fullmatch(text)
            if found:
                values = {
                    name: self._tell(value, language, zone, depth - 1)
                    for name, value in found.groupdict().items()
                }
                return _filled(language.say(template.text), values)
        return text


def _has_places_and_words(text: str) -> bool:
    """What is one place alone would fit every sentence; a moment is as good as words."""
    places = _PLACE.findall(text)
    return bool(places) and ("when" in places or any(c.isalnum() for c in _PLACE.sub("", text)))


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), template)


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(_PLACE, text)
    names: set[str] = set()
    written = []
    for place, part in enumerate(parts):
        if place % 2 == 0:
            written.append(re.escape(part))
        elif part in names:
            written.append(f"(?P={part})")
        else:
            names.add(part)
            written.append(f"(?P<{part}>{_VALUES.get(part, '.+?')})")
    return re.compile("".join(written), re.DOTALL)

"""The languages: which one a reader gets, its catalog, and how it writes a time.

Catalogs are gettext's (`catalogs/<language>.po`), read when first spoken; English is the language
of the sources and needs none. `tools/catalogs.py` keeps them in step with the sources.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files

from babel.core import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

__all__ = ["LANGUAGES", "Language", "choose_language"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language."""

    tag: str  # of the html element (BCP 47)
    name: str  # in itself
    locale: Locale

    @property
    def catalog(self) -> NullTranslations:
        """The translations, as gettext keeps them; empty for English."""
        return _catalog(self.tag)

    def say(self, message: str, **values: object) -> str:
        """A sentence of ours in this language, with its values put in."""
        said: str = self.catalog.ugettext(message)
        return said % values if values else said

    def time(self, at: datetime, zone: tzinfo) -> str:
        """A moment to the second, in a zone."""
        return str(format_datetime(at, "medium", tzinfo=zone, locale=self.locale))

    def clock(self, at: datetime, zone: tzinfo) -> str:
        """The time of day alone."""
        return str(format_time(at, "medium", tzinfo=zone, locale=self.locale))

    def day(self, at: datetime, zone: tzinfo) -> str:
        """The day alone."""
        return str(format_date(at.astimezone(zone), "medium", locale=self.locale))

    def ago(self, seconds: float) -> str:
        """How long ago something was, roughly: `3 minutes ago`."""
        return str(
            format_timedelta(timedelta(seconds=-seconds), add_direction=True, locale=self.locale)
        )

    def number(self, value: float) -> str:
        """A number with its separators."""
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: float) -> str:
        """A share of one in whole percent."""
        return str(format_percent(share, locale=self.locale))


def _language(tag: str, name: str, locale: str) -> Language:
    return Language(tag=tag, name=name, locale=Locale.parse(locale, sep="-"))


@cache
def _catalog(tag: str) -> NullTranslations:
    file = files(__package__).joinpath("catalogs", f"{tag}.po")
    if not file.is_file():
        return NullTranslations()  # English
    compiled = io.BytesIO()
    with file.open("rb") as opened:
        write_mo(compiled, read_po(opened))
    compiled.seek(0)
    return Translations(compiled)


LANGUAGES = {
    language.tag: language
    for language in (
        _language("en", "English", "en-GB"),  # a 24-hour clock, and the day before the month
        _language("zh-Hans", "简体中文", "zh-Hans"),
        _language("ko", "한국어", "ko"),
    )
}

_PRIMARY = {tag.partition("-")[0]: tag for tag in LANGUAGES}


def choose_language(chosen: str | None, accepted: str) -> Language:
    """What the reader chose, else what the Accept-Language header (RFC 9110 12.5.4) likes best."""
    if chosen in LANGUAGES:
        return LANGUAGES[chosen]
    return LANGUAGES[next(_by_liking(accepted[:200]), "en")]


def _by_liking(accepted: str) -> Iterator[str]:
    liked = []
    for place, item in enumerate(accepted.split(",")):
        tag, _, parameters = item.partition(";")
        ours = _PRIMARY.get(tag.strip().lower().partition("-")[0])
        try:
            quality = float(parameters.partition("q=")[2] or 1.0)
        except ValueError:
            continue
        if ours and quality > 0:
            liked.append((-quality, place, ours))
    return iter([tag for _, _, tag in sorted(liked)])

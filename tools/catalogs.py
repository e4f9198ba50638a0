"""Keeps the catalogs of the languages in step with the sources.

`python tools/catalogs.py` writes every sentence of the sources into each catalog, keeps what is
translated and drops what is gone; what has no translation yet is listed. `--check` only lists.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCE))

from mailglass.web.sentences import templates  # noqa: E402  # of the sources beside this file

ROOMS = (SOURCE / "mailglass",)
CATALOGS = SOURCE / "mailglass/languages/catalogs"
LANGUAGES = ("zh-Hans", "ko")

# How a sentence is marked: `_` in Python and templates, `say` where it is looked up.
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None}
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_OPTIONS = {"**/templates/**.html": {"trimmed": "false", "newstyle_gettext": "true"}}


def wanted() -> Catalog:
    """Every sentence of the sources."""
    catalog = Catalog()
    for room in ROOMS:
        found = extract_from_dir(str(room), _METHODS, _OPTIONS, keywords=_KEYWORDS)
        for _, _, message, _, _ in found:
            catalog.add(message)
    for sentence in templates():
        if re.sub(r"\{\w+\}", "", sentence):  # a place alone has nothing to translate
            catalog.add(sentence)
    return catalog


def present(language: str) -> Catalog:
    """A language's catalog as it stands."""
    file = CATALOGS / f"{language}.po"
    if not file.exists():
        return Catalog(locale=language.replace("-", "_"))
    with file.open("rb") as opened:
        return read_po(opened, locale=language.replace("-", "_"))


def missing(language: str) -> list[str]:
    """The sentences that a language cannot say."""
    have = present(language)
    lacking = []
    for message in wanted():
        known = have.get(message.id) if message.id else True
        if not known or (known is not True and not (known.string and all(known.string))):
            lacking.append(str(message.id))
    return sorted(lacking)


def update(language: str) -> None:
    """Bring a language's catalog up to the sources."""
    catalog = present(language)
    catalog.update(wanted(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    with (CATALOGS / f"{language}.po").open("wb") as opened:
        write_po(opened, catalog, sort_output=True, no_location=True, omit_header=False, width=0)


if __name__ == "__main__":
    lacking = False
    for language in LANGUAGES:
        if "--check" not in sys.argv:
            update(language)
        for sentence in missing(language):
            lacking = True
            print(f"{language}: {sentence}")
    sys.exit(lacking)

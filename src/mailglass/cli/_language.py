"""The language in which a command speaks: as asked for, else as the locale says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import click
from rich.cells import cell_len

from ..languages import LANGUAGES, Language, Phrasebook, choose_language

__all__ = ["Speech", "language_option", "padded", "speech"]

_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Speech:
    """A language, and the sentences that a command may have to tell in it."""

    language: Language
    phrasebook: Phrasebook

    def tell(self, text: str) -> str:
        """A sentence of another room in this language."""
        return text if self.language.tag == "en" else self.phrasebook.tell(text, self.language)

    def say(self, message: str) -> str:
        """A sentence of the command's own in this language."""
        return self.language.say(message)


def language_option(command: _Command) -> _Command:
    """Adds `--language`."""
    return click.option(
        "--language",
        "tag",
        type=click.Choice(list(LANGUAGES)),
        help="The language of the prose; by default that of the locale, and English with --json.",
    )(command)


def speech(tag: str | None, sentences: Iterable[str], *, as_json: bool = False) -> Speech:
    """How to speak; machines read English unless a language was asked for by name."""
    wanted = tag or ("en" if as_json else _of_locale(os.environ))
    return Speech(LANGUAGES[wanted], Phrasebook(() if wanted == "en" else sentences))


def _of_locale(environment: Mapping[str, str]) -> str:
    """The language of messages, in the order in which POSIX asks the variables (XBD 8.2)."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    return choose_language(None, locale.partition(".")[0].partition("@")[0].replace("_", "-")).tag


def padded(text: str, cells: int) -> str:
    """The text and blanks up to that many columns of a terminal; Han and Hangul take two each."""
    return text + " " * (cells - cell_len(text))

"""The sentences of evidence in the reader's language and zone.

The history keeps them in English, as they were judged. Each was made from a template by putting
values in; here the template is found again, its translation taken, and the values, which may be
sentences themselves, put into that. What fits no template stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from ..evidence import load_rules
from ..history import SENTENCES
from .visitor import Visitor
from .wording import _

__all__ = ["tell", "templates"]

# Of verdicts, and of what is put into the sentences of rules; `{when}` is a moment.
_FIXED = (
    _("of 100 such clicks about {n} are people's"),
    _("of 100 such loads about {n} are people's"),
    _("one in a thousand stays in doubt"),
    _("about {n} of 100 delivered messages are read without leaving a trace"),
    _("nothing says that the message arrived"),
    _("{who} displayed the images {when}"),
    _("{who} followed a link {when}"),
    _("{who} downloaded an attachment {when}"),
    _("{who} loaded the images {when}"),
    _("{who} asked for an attachment {when}"),
    _("{who} displayed the message and followed a link {when}"),
    _("{visit}, and came {n} times"),
    _("{visit}, perhaps a person ({n}%)"),
    _("somebody"),
    _("the recipient answered {when}"),
    _("a program confirmed the display of its own accord {when}"),
    _("a receipt says displayed {when}"),
    _("it was reported as spam {when}"),
    _("somebody unsubscribed {when}"),
    _("somebody refused tracking {when}"),
    _("{remark}, which does not count"),
    _("{remark} {when}"),
    _("{remark} {n} times, first {when}"),
    _("prefetched before anybody looked"),
    _("scanned by a program"),
    _("previewed for a shared link"),
    _("fetched by a privacy proxy, whether or not a person looked,"),
    _("viewed by the sender"),
    _("answered by a program"),
    _("refused by the receiving side"),
    _("refused before any attempt"),
    _("not sent, since the recipient is on the suppression list"),
    _("put off by the receiving server"),
    _("read by somebody else, as after a forward"),
    _("{n} s"),
    _("{n} min"),
    _("{n} h"),
    _("{n} days"),
)
_WHEN = re.compile(r"on (\d{4}-\d\d-\d\d) at (\d\d:\d\d:\d\d)")
_VALUES = {"when": r"on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d", "n": r"\d+"}
_DEPTH = 4  # a sentence in a sentence in a sentence; more is nobody's


@dataclass(frozen=True, slots=True)
class _Template:
    text: str
    pattern: re.Pattern[str]


def tell(text: str, visitor: Visitor, depth: int = _DEPTH) -> str:
    """A sentence of ours as this reader reads it."""
    moment = _WHEN.fullmatch(text)
    if moment:
        at = datetime.fromisoformat(f"{moment[1]}T{moment[2]}").replace(tzinfo=UTC)
        return visitor.language.say("on %(time)s", time=visitor.language.time(at, visitor.zone))
    for template in _compiled() if depth else ():
        found = template.pattern.fullmatch(text)
        if found:
            values = {k: tell(v, visitor, depth - 1) for k, v in found.groupdict().items()}
            return _filled(visitor.language.say(template.text), values)
    return text


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), template)


@cache
def _compiled() -> tuple[_Template, ...]:
    """Those with the most words of their own first: they say the most."""
    found = [_Template(text, _pattern(text)) for text in dict.fromkeys(templates())]
    return tuple(sorted(found, key=lambda t: -len(re.sub(r"\{\w+\}", "", t.text))))


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", text)
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


def templates() -> Iterator[str]:
    """Every sentence that evidence and history can say, with names for what is put in."""
    yield from _FIXED
    yield from SENTENCES.values()
    yield from (signal.text for signal in load_rules().signals.values())

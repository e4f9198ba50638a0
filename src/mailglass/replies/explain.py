"""Finds the row that explains a reply, and says what follows from it.

Order: the provider's own row, phrases, a precise enhanced status, weak phrases, the rest of the
enhanced statuses, the reply code. Words win over the status because forwarders and gateways put
5.0.0 or 5.7.1 before everything; a provider's code wins over words because its text carries help
addresses full of misleading ones (NetEase's has "spam" in its path).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .codes import Codes, find_codes
from .knowledge import (
    RUNS,
    Advice,
    Meaning,
    Phrase,
    ProviderCode,
    ReplyClass,
    advice,
    class_meanings,
    phrase_index,
    phrases,
    provider_codes,
    provider_hints,
    provider_marks,
    provider_of_host,
    providers,
    reply_code_meanings,
    rows_of_provider,
    status_meanings,
)

__all__ = ["Explanation", "explain_reply", "sentences"]

_ACCEPTS = re.compile(r"\s*(?:([23]\d\d)(?=[\s-]|\Z)[\s-]*)?(2\.\d{1,3}\.\d{1,3}(?=\s|\Z))?")
_MAX_TEXT = 4096  # characters read; RFC 5321 section 4.5.3.1.5 allows 512 octets a reply line
# Where a notice quotes more than the reply, the reply stands first: words of a header behind it
# ("X-Virus-Scanned: ClamAV") are believed only when these characters say nothing.
_REPLY_CHARACTERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a reply means."""

    provider: str | None  # whose reply it is, when that shows
    reply_code: int | None
    enhanced_status: str | None
    code: str | None  # the provider's own code, such as DT:SPM
    class_: ReplyClass
    permanent: bool  # the reply is of class 5; without one, that the words say so
    suppress: bool  # the address is dead: nothing more should be sent to it
    meaning: str
    advice: str  # who must act, and how
    source: str  # of the row that decided, with its date


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row's answer, before permanence is known."""

    class_: ReplyClass
    is_dead: bool
    meaning: str
    advice: str
    source: str


def explain_reply(
    text: str,
    *,
    provider: str | None = None,
    mx: str | None = None,
    recipient: str | None = None,
    status: str | None = None,
) -> Explanation:
    """What an SMTP reply or the words of a bounce mean.

    Whose reply it is decides `provider`, else `mx` (the host that answered), else the words
    themselves, else the domain of `recipient`. `status` is what a report says beside the words
    (RFC 3464 section 2.3.4); it counts only where they carry none. Only the first 4,096 characters
    are read.
    """
    text = text[:_MAX_TEXT]
    codes = find_codes(text)
    lowered = _plain(text)
    provider = provider or _provider(text, lowered, mx, recipient)
    enhanced = codes.enhanced_status or status
    accepted = None if codes.reply_code or enhanced else _ACCEPTS.match(text)
    if accepted and any(accepted.groups()):
        return _accepted(provider, accepted)
    row = _provider_row(provider, codes, enhanced, lowered)
    if row and not provider:
        provider = row.provider
    judged = _judge(row, codes, enhanced, lowered)
    permanent = _is_permanent(codes.reply_code, enhanced, judged)
    return Explanation(
        provider=provider,
        reply_code=codes.reply_code,
        enhanced_status=enhanced,
        code=_own_code(provider, text),
        class_=judged.class_,
        permanent=permanent,
        suppress=permanent and judged.is_dead,
        meaning=judged.meaning,
        advice=judged.advice,
        source=judged.source,
    )


def _accepted(provider: str | None, found: re.Match[str]) -> Explanation:
    """A reply of class 2 or 3 (RFC 5321 section 4.2.1): nothing was refused, whatever it says."""
    meaning, name = class_meanings()[ReplyClass.ACCEPTED]
    return Explanation(
        provider=provider,
        reply_code=int(found[1]) if found[1] else None,
        enhanced_status=found[2],
        code=None,
        class_=ReplyClass.ACCEPTED,
        permanent=False,
        suppress=False,
        meaning=meaning,
        advice=_advise(name),
        source="RFC 5321 4.2.1",
    )


def _plain(text: str) -> str:
    """Lower case, one space between words, URLs cut to their host, addresses taken out.

    An address or a path may hold any word ("spam@", "/help_spam_16.htm").
    """
    words = text.lower().split()
    if len(words) > 3 and words[-3:] == ["retry", "timeout", "exceeded"]:
        del words[-3:]  # Exim's epilogue to a reply that it quotes says nothing of the reply
    if "@" in text or "://" in text:
        words = [_bare(word) for word in words]
    return " ".join(words)


def _bare(word: str) -> str:
    start = word.find("://")
    if start >= 0:
        return word[start + 3 :].split("/", 1)[0].split("?", 1)[0]
    at = word.find("@")
    if at < 0:
        return word
    end = at + 1
    while end < len(word) and (word[end].isalnum() or word[end] in ".-_"):
        end += 1
    return "<>" + word[end:].lstrip(">")


def _provider(text: str, lowered: str, mx: str | None, recipient: str | None) -> str | None:
    found = provider_of_host(mx) if mx else None
    if found:
        return found
    for hint, known in provider_hints():
        if hint in text and known.code_pattern and known.code_pattern.search(text):
            return known.name
    raw = " ".join(text.lower().split()) if "://" in text else lowered
    for mark, name in provider_marks():
        if mark in (raw if "/" in mark else lowered):  # a path stands only in the text as it came
            return name
    return provider_of_host(recipient.rpartition("@")[2]) if recipient else None


def _own_code(provider: str | None, text: str) -> str | None:
    known = providers().get(provider or "")
    match = known.code_pattern.search(text) if known and known.code_pattern else None
    return match[0].strip("[]()") if match else None


def _provider_row(
    provider: str | None, codes: Codes, enhanced: str | None, lowered: str
) -> ProviderCode | None:
    """The best row: one whose status fits before one whose reply code fits before the others."""
    best, best_score = None, 0
    rows = rows_of_provider(provider)
    for row in (*rows.by_status.get(enhanced or "", ()), *rows.others):
        length = 0
        for key in row.keys:
            if key in lowered and len(key) > length:
                length = len(key)
        if not length:
            continue
        score = length + 100 * (codes.reply_code in row.reply_codes) + 200 * bool(row.statuses)
        if score > best_score:
            best, best_score = row, score
    return best


def _judge(row: ProviderCode | None, codes: Codes, enhanced: str | None, lowered: str) -> _Judged:
    if row:
        return _Judged(row.class_, row.is_dead, row.meaning, _advise(row.advice), row.source)
    phrase = _phrase(lowered[:_REPLY_CHARACTERS], weak=False) or _phrase(lowered, weak=False)
    meaning = status_meanings().get(enhanced.split(".", 1)[1]) if enhanced else None
    if phrase:
        return _by_phrase(phrase)
    if meaning and not meaning.is_weak:
        return _by_code(meaning)
    phrase = _phrase(lowered, weak=True)
    if phrase:
        return _by_phrase(phrase)
    if meaning and meaning.class_ is not ReplyClass.UNDETERMINED:
        return _by_code(meaning)
    return _by_code(reply_code_meanings().get(codes.reply_code or 0) or meaning or _NOTHING)


_NOTHING = Meaning(
    class_=ReplyClass.UNDETERMINED,
    is_dead=False,
    is_weak=True,
    meaning="the words do not tell",
    source="no row fits",
)


def _by_phrase(phrase: Phrase) -> _Judged:
    meaning, name = class_meanings()[phrase.class_]
    return _Judged(phrase.class_, phrase.is_dead, meaning, _advise(name), phrase.source)


def _by_code(found: Meaning) -> _Judged:
    name = class_meanings()[found.class_][1]
    return _Judged(found.class_, found.is_dead, found.meaning, _advise(name), found.source)


def _advise(name: str) -> str:
    return _advice_sentence(advice()[name])


def _advice_sentence(known: Advice) -> str:
    return f"{known.who}: {known.text}"


def sentences() -> Iterator[str]:
    """Every meaning and every advice that an explanation can give."""
    yield _NOTHING.meaning
    yield _NOTHING.source
    yield from (meaning for meaning, _ in class_meanings().values())
    yield from (row.meaning for row in status_meanings().values())
    yield from (row.meaning for row in reply_code_meanings().values())
    yield from (row.meaning for row in provider_codes())
    yield from map(_advice_sentence, advice().values())


def _phrase(lowered: str, *, weak: bool) -> Phrase | None:
    """The phrase of that strength that stands first in the table."""
    index = phrase_index(weak=weak)
    starts = {run[:3] for run in RUNS.findall(lowered)}
    if not lowered.isascii():
        starts.add("")
    fitting = [
        number
        for start in starts & index.keys()
        for number, first in index[start]
        if first in lowered and _fits(phrases()[number], lowered)
    ]
    return phrases()[min(fitting)] if fitting else None


def _fits(phrase: Phrase, lowered: str) -> bool:
    """Whether the parts stand in order, the first at the start of a word."""
    start = _word_start(lowered, phrase.parts[0], phrase.is_whole_word)
    if start < 0:
        return False
    end = start + len(phrase.parts[0])
    for part in phrase.parts[1:]:
        start = lowered.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    return True


def _word_start(text: str, part: str, whole: bool) -> int:
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        inside = start > 0 and part[0].isascii() and text[start - 1].isalnum()
        cut = whole and end < len(text) and text[end].isalnum()
        if not inside and not cut:
            return start
        start = text.find(part, start + 1)
    return -1


def _is_permanent(reply_code: int | None, status: str | None, judged: _Judged) -> bool:
    """By the reply's class; without any code, words about a dead address are final."""
    if reply_code is not None:
        return reply_code >= 500
    if status is not None:
        return status[0] == "5"
    return judged.is_dead or judged.class_ is ReplyClass.RELAY

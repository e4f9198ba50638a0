"""Reads the notice that a server wrote for people: who failed, and in which words.

Most servers name the failed recipient in one of a few shapes, whatever their language:

    <who@example.net>: reason        qmail, Postfix, Yahoo: the address opens the line
    who@example.net                  Exim, Gmail, Exchange: listed after "the following addresses"
    550 5.1.1 <who@...>... reason    sendmail: a line of its transcript
    Failed recipient: who@...        a label or a sentence before the address

Every address of the notice gets a rank by the shape in which it stands; the best rank that occurs
decides which are recipients. The words around and after an address are its reason. Reading stops
where the returned message begins. The words themselves lie in `data/notices.tsv`.
Leaves to others: fields of RFC 3464, and what the reason means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from .addresses import Mention, mentions
from .wording import ends_in, says

__all__ = ["Notice", "read_notice"]

_MAX_LINES = 1500  # a notice of the corpora has 300 before the original at most
_MAX_LINE = 1000  # RFC 5321 section 4.5.3.1.6
_MAX_REASON_LINES = 40
_HEADER_LINE = re.compile(
    r"(?:received|return-path|message-id|dkim-signature|reporting-mta|final-recipient"
    r"|original-recipient|content-type|x-[\w-]+): ?\S",
    re.I,
)
_LONE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{1,63}")
_CODE_BEFORE = re.compile(r"(?:[245]\d\d[ -]?)?(?:\(?#?[245]\.\d{1,3}\.\d{1,3}\)?)?:?$")
_OPENING = " \t<\"'([{*-•·>|=»;,"
_SEPARATOR = re.compile(r"[-=_*|~#>\s]{3,}")
_DIALOGUE = re.compile(
    r">>>|<<<|(?:\.\.\. )?[Ww]hile talking to |[45]\d\d \S{1,255} \(\w{1,20}\)\.\.\."
)
_SERVICE = ("postmaster@", "mailer-daemon@", "abuse@", "noreply@", "no-reply@")


class _Rank(IntEnum):
    """How surely the shape says that an address is a failed recipient."""

    ELSEWHERE = 0  # named in the text, with nothing that says so
    SENTENCE = 1  # "your message to X"
    COMMAND = 2  # RCPT TO of a transcript
    OPENS_LINE = 3
    LISTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a notice says."""

    reasons: dict[str, str]  # recipient -> the lines that belong to it; keys in order
    general: str  # lines before the first recipient
    is_delay: bool
    has_named_recipient: bool  # the shape says so; False when only sentences name addresses


@dataclass(slots=True)
class _Found:
    address: str
    rank: _Rank
    lines: list[str] = field(default_factory=list)


class _Reader:
    """The state of the pass over the lines: what was found, and whom the text speaks of now."""

    def __init__(self, ours: frozenset[str]) -> None:
        self.ours = ours
        self.found: dict[str, _Found] = {}
        self.general: list[str] = []
        self.current: list[_Found] = []
        self.is_listing = False
        self.is_open = False  # the last line was an address: the next one joins it
        self.lone_names: list[str] = []
        self.dialogue: list[str] = []  # a transcript's lines, which stand before their recipient

    def read(self, lines: Sequence[str]) -> None:
        for raw in lines[:_MAX_LINES]:
            line = raw[:_MAX_LINE].strip()
            if not line:
                continue
            lowered = line.lower()
            if _begins_original(line, lowered):
                break
            is_heard = line.startswith("<<<")  # what the peer said names nobody by itself
            if is_heard or "@" not in line or not self._read_mentions(line):
                self._read_words(line)
            if says("intro", lowered):
                self.is_listing = True
        if self.current:
            self._take_dialogue(_Rank.LISTED)
        else:
            self.general += self.dialogue

    def _read_mentions(self, line: str) -> bool:
        """Note the recipients of a line; whether there was one."""
        ranked = [(m, self._rank(m)) for m in mentions(line)]
        named = [(m, rank) for m, rank in ranked if rank is not None]
        if not named:
            return False
        best = max(rank for _, rank in named)
        now = [self._note(m, rank) for m, rank in named if rank is best]
        is_bare = best >= _Rank.OPENS_LINE and not _words_beside(named[0][0])
        if best > _Rank.ELSEWHERE or not self.current:
            joins = self.is_open and is_bare
            self.current = [*self.current, *now] if joins else now
            self.is_open = is_bare
        if not is_bare:
            self._read_words(line)
            self._take_dialogue(best)
            self.is_open = False
        return True

    def _take_dialogue(self, rank: _Rank) -> None:
        """sendmail shows what it said and heard, then the recipient whom it concerns."""
        if rank >= _Rank.OPENS_LINE:
            for found in self.current:
                found.lines += self.dialogue
            self.dialogue = []

    def _rank(self, mention: Mention) -> _Rank | None:
        """How the shape speaks, None for an address that cannot be the failed one."""
        before = mention.before.lower().rstrip(_OPENING).lstrip()
        after = mention.after.lstrip(">)]}\"'")
        if before.endswith(("rcpt to:", "rcpt to", "recipient to:")):
            is_command = before.startswith((">>>", "rcpt to", "in: "))
            return _Rank.COMMAND if is_command else _Rank.ELSEWHERE
        if ends_in("never", before[-60:]):
            return None
        if not before.strip(_OPENING) or _CODE_BEFORE.fullmatch(before.strip(_OPENING)):
            return self._rank_at_start(mention, after)
        if ends_in("before", before[-60:]):
            is_label = before.endswith((":", "=")) and len(before) < 60
            return _Rank.LISTED if is_label else _Rank.SENTENCE
        return _Rank.ELSEWHERE

    def _rank_at_start(self, mention: Mention, after: str) -> _Rank:
        if after.startswith((":", "...", " ...")):
            return _Rank.LISTED
        if mention.address.lower().startswith(_SERVICE) and not self.is_listing:
            return _Rank.ELSEWHERE
        return _Rank.LISTED if self.is_listing else _Rank.OPENS_LINE

    def _note(self, mention: Mention, rank: _Rank) -> _Found:
        key = mention.address.lower()
        found = self.found.setdefault(key, _Found(mention.address, rank))
        found.rank = max(found.rank, rank)
        return found

    def _read_words(self, line: str) -> None:
        self.is_open = False
        if _SEPARATOR.fullmatch(line):
            return
        if line.startswith("While talking to"):
            self.dialogue = []
        if _DIALOGUE.match(line):
            self.dialogue = [*self.dialogue[-_MAX_REASON_LINES:], line]
            return
        if not self.current:
            self.general.append(line)
            if self.is_listing and _LONE_NAME.fullmatch(line):
                self.lone_names.append(line)
        for found in self.current:
            if len(found.lines) < _MAX_REASON_LINES:
                found.lines.append(line)


def _words_beside(mention: Mention) -> str:
    return (mention.before + mention.after).strip(_OPENING + ">)]}\":.'")


def _begins_original(line: str, lowered: str) -> bool:
    """Whether the returned message begins here: a rule that says so, or its first field."""
    if _HEADER_LINE.match(line):
        return True
    if len(line) > 120 or not says("stop", lowered):  # 120: a rule is one line on a screen
        return False
    return line[0] in "-=*|#~_" or line[-1] in ":-.=*_|~" or len(line) < 80


def read_notice(
    text: str,
    *,
    subject: str = "",
    known: Sequence[str] = (),
    ours: frozenset[str] = frozenset(),
    domain: str = "",
) -> Notice:
    """What a notice says.

    `known` are recipients that the header names (X-Failed-Recipients): they alone are reported.
    `ours` are addresses, in lower case, that cannot be the failed one: the notice's own sender and
    addressee. `domain` completes a bare user name, as AOL lists them.
    """
    reader = _Reader(ours)
    reader.read(text.split("\n", _MAX_LINES))
    general = "\n".join(reader.general[:_MAX_REASON_LINES])
    chosen, is_named = _choose(reader, known, subject, domain)
    return Notice(
        reasons={found.address: _reason(found) for found in chosen},
        general=general,
        is_delay=says("delay", f"{subject} {general}".lower())
        or any(says("delay", line.lower()) for found in chosen for line in found.lines),
        has_named_recipient=is_named,
    )


def _reason(found: _Found) -> str:
    return "\n".join(found.lines)


def _choose(
    reader: _Reader, known: Sequence[str], subject: str, domain: str
) -> tuple[list[_Found], bool]:
    """The recipients, and whether a shape named them."""
    if known:
        return [reader.found.get(a.lower()) or _only(reader, a) for a in known], True
    found = [f for f in reader.found.values() if f.address.lower() not in reader.ours]
    found = found or list(reader.found.values())
    best = max((f.rank for f in found), default=_Rank.ELSEWHERE)
    if best >= _Rank.OPENS_LINE:
        return [f for f in found if f.rank == best], True
    if best >= _Rank.SENTENCE:
        return [f for f in found if f.rank == best], best is _Rank.COMMAND
    in_subject = [_Found(m.address, _Rank.SENTENCE) for m in mentions(subject)]
    if in_subject:
        return in_subject, False
    if domain and reader.lone_names and not found:
        return [_Found(f"{n}@{domain}", _Rank.LISTED) for n in reader.lone_names], True
    return (found if len(found) == 1 else []), False


def _only(reader: _Reader, address: str) -> _Found:
    """A recipient of the header that the text does not name: all words are its reason."""
    lines = [line for found in reader.found.values() for line in found.lines]
    return _Found(address, _Rank.LISTED, lines or list(reader.general))

"""Loads the tables under `data/` once, in the form in which they are asked.

The tables are small (about 1,600 rows in all) and read when the first reply is explained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

__all__ = [
    "RUNS",
    "Advice",
    "Meaning",
    "Phrase",
    "Provider",
    "ProviderCode",
    "ProviderRows",
    "ReplyClass",
    "advice",
    "class_meanings",
    "phrase_index",
    "phrases",
    "provider_codes",
    "provider_hints",
    "provider_marks",
    "provider_names",
    "provider_of_host",
    "providers",
    "reply_code_meanings",
    "rows_of_provider",
    "status_meanings",
]

RUNS = re.compile(r"[a-z0-9]+")  # what a phrase's first word is compared by


class ReplyClass(StrEnum):
    """What kind of trouble a reply speaks of."""

    UNKNOWN_USER = "unknown-user"
    MAILBOX_FULL = "mailbox-full"
    MAILBOX_DISABLED = "mailbox-disabled"
    SPAM = "spam"
    CONTENT = "content"
    BLOCKED = "blocked"
    POLICY = "policy"
    AUTH = "auth"
    RATE_LIMITED = "rate-limited"
    GREYLISTED = "greylisted"
    SIZE = "size"
    NETWORK = "network"
    DNS = "dns"
    DNS_PTR = "dns-ptr"
    RELAY = "relay"
    PROTOCOL = "protocol"
    TLS = "tls"
    SYSTEM = "system"
    EXPIRED = "expired"
    ACCEPTED = "accepted"  # no trouble: nothing was refused
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A mailbox provider or filter, and how its replies are recognised."""

    name: str
    hosts: tuple[str, ...]  # suffixes of its MX hosts, and its own mail domains
    marks: tuple[str, ...]  # words that only it writes, lower case
    code_hints: tuple[str, ...]  # one of them stands in every text that the pattern fits
    code_pattern: re.Pattern[str] | None  # the shape of its own codes, over the text as it came
    source: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCode:
    """One reply that a provider explains, or that is known from practice."""

    provider: str
    reply_codes: frozenset[int]
    statuses: frozenset[str]
    keys: tuple[str, ...]  # literal texts, lower case; any of them
    class_: ReplyClass
    is_dead: bool  # the address itself is gone
    is_distinct: bool  # the words name the provider by themselves
    advice: str
    meaning: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Words that servers use without a code of their own."""

    parts: tuple[str, ...]  # lower case, in this order, with anything between them
    is_whole_word: bool  # too short to be trusted inside another word
    class_: ReplyClass
    is_dead: bool
    is_weak: bool  # believed only when no precise status says otherwise
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a code or class says by itself."""

    class_: ReplyClass
    is_dead: bool
    is_weak: bool
    meaning: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and who must do it."""

    who: str
    text: str


def _rows(name: str) -> Iterator[dict[str, str]]:
    lines = (files(__package__) / "data" / name).read_text("utf-8").splitlines()
    table = [line.split("\t") for line in lines if line and not line.startswith("#")]
    for row in table[1:]:
        yield dict(zip(table[0], row, strict=True))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


@cache
def providers() -> Mapping[str, Provider]:
    """The providers by name, in the order of the table."""
    return {
        row["provider"]: Provider(
            name=row["provider"],
            hosts=_listed(row["hosts"]),
            marks=_listed(row["marks"]),
            code_hints=_listed(row["code_hints"]),
            code_pattern=re.compile(row["code_pattern"]) if row["code_pattern"] else None,
            source=row["source"],
            date=row["date"],
        )
        for row in _rows("providers.tsv")
    }


def provider_names() -> tuple[str, ...]:
    """The names that `explain_reply` takes as a provider."""
    return tuple(providers())


@cache
def _hosts() -> Mapping[str, str]:
    return {host: provider.name for provider in providers().values() for host in provider.hosts}


def provider_of_host(host: str) -> str | None:
    """The provider whose host or mail domain this is, by the longest suffix that is known."""
    labels = host.lower().rstrip(".").split(".")[-6:]  # no suffix of the table has more labels
    for start in range(len(labels)):
        name = _hosts().get(".".join(labels[start:]))
        if name:
            return name
    return None


def _statuses(text: str) -> frozenset[str]:
    """Statuses separated by commas; `5.7.606-5.7.649` is every one between."""
    found: set[str] = set()
    for part in _listed(text):
        first, _, last = part.partition("-")
        prefix, low = first.rsplit(".", 1)
        high = (last or first).rsplit(".", 1)[1]
        found.update(f"{prefix}.{number}" for number in range(int(low), int(high) + 1))
    return frozenset(found)


@cache
def provider_codes() -> tuple[ProviderCode, ...]:
    """The rows of all providers, in the order of the table."""
    return tuple(
        ProviderCode(
            provider=row["provider"],
            reply_codes=frozenset(int(code) for code in _listed(row["reply_code"])),
            statuses=_statuses(row["enhanced_status"]),
            keys=tuple(key.lower() for key in row["key"].split(" | ")),
            class_=ReplyClass(row["class"]),
            is_dead="dead" in row["flags"],
            is_distinct="distinct" in row["flags"],
            advice=row["advice"],
            meaning=row["meaning"],
            source=f"{row['source']} ({row['date']})",
        )
        for row in _rows("provider_codes.tsv")
    )


@cache
def phrases() -> tuple[Phrase, ...]:
    """The generic phrases in the order in which they decide."""
    return tuple(_phrase(row) for row in _rows("phrases.tsv"))


def _phrase(row: dict[str, str]) -> Phrase:
    text = row["phrase"]
    return Phrase(
        parts=tuple(text.split(" * ")),
        is_whole_word=text.isascii() and len(text) <= 5,  # "link", "spam": common inside others
        class_=ReplyClass(row["class"]),
        is_dead="dead" in row["flags"],
        is_weak="weak" in row["flags"],
        source=f"{row['source']} ({row['date']})",
    )


@cache
def phrase_index(*, weak: bool) -> Mapping[str, tuple[tuple[int, str], ...]]:
    """Number and first part of each phrase, by the first three characters of its first word.

    A phrase starts at the start of a word, so the words of a reply name the few that can fit;
    trying all of them cost 0.3 ms a reply, this 0.02. Scripts without spaces are under "".
    """
    index: dict[str, list[tuple[int, str]]] = {}
    for number, phrase in enumerate(phrases()):
        if phrase.is_weak is weak:
            first = phrase.parts[0]
            run = RUNS.search(first) if first.isascii() else None
            index.setdefault(run[0][:3] if run else "", []).append((number, first))
    return {start: tuple(entries) for start, entries in index.items()}


@dataclass(frozen=True, slots=True)
class ProviderRows:
    """A provider's rows, those that ask for an enhanced status by that status."""

    by_status: Mapping[str, tuple[ProviderCode, ...]]
    others: tuple[ProviderCode, ...]


@cache
def rows_of_provider(provider: str | None) -> ProviderRows:
    """A provider's rows; without a provider those whose words name one by themselves."""
    by_status: dict[str, list[ProviderCode]] = {}
    others: list[ProviderCode] = []
    for row in provider_codes():
        if not (row.provider == provider if provider else row.is_distinct):
            continue
        for status in row.statuses:
            by_status.setdefault(status, []).append(row)
        if not row.statuses:
            others.append(row)
    return ProviderRows({status: tuple(rows) for status, rows in by_status.items()}, tuple(others))


@cache
def provider_marks() -> tuple[tuple[str, str], ...]:
    """Every mark with the provider that writes it."""
    return tuple((mark, known.name) for known in providers().values() for mark in known.marks)


@cache
def provider_hints() -> tuple[tuple[str, Provider], ...]:
    """Every code hint with its provider."""
    return tuple((hint, known) for known in providers().values() for hint in known.code_hints)


@cache
def status_meanings() -> Mapping[str, Meaning]:
    """What the subject and detail of an enhanced status say, by `subject.detail`."""
    return {
        row["subject_detail"]: Meaning(
            class_=ReplyClass(row["class"]),
            is_dead="dead" in row["flags"],
            is_weak="weak" in row["flags"],
            meaning=row["meaning"],
            source=f"{row['source']} ({row['date']})",
        )
        for row in _rows("enhanced_status.tsv")
    }


@cache
def reply_code_meanings() -> Mapping[int, Meaning]:
    """What a reply code says by itself."""
    return {
        int(row["reply_code"]): Meaning(
            class_=ReplyClass(row["class"]),
            is_dead=False,
            is_weak=True,
            meaning=row["meaning"],
            source=f"{row['source']} ({row['date']})",
        )
        for row in _rows("reply_codes.tsv")
    }


@cache
def class_meanings() -> Mapping[ReplyClass, tuple[str, str]]:
    """The meaning and the advice's name for each class."""
    return {
        ReplyClass(row["class"]): (row["meaning"], row["advice"]) for row in _rows("classes.tsv")
    }


@cache
def advice() -> Mapping[str, Advice]:
    """The advice by name."""
    return {row["id"]: Advice(who=row["who"], text=row["text"]) for row in _rows("advice.tsv")}

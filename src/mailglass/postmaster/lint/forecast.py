"""What each provider will probably say, from the findings and data/forecasts.tsv.

A forecast is a judgement, not a promise: providers weigh reputation, which no message shows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ...model import Finding, FindingStatus
from ...replies import explain_reply

__all__ = ["PROVIDERS", "Forecast", "forecasts", "sentences"]

PROVIDERS = ("netease", "tencent", "gmail", "yahoo", "outlook", "apple", "naver")
# The names by which mailglass.replies knows them, where they differ.
_REPLY_NAMES = {"gmail": "google"}
_OUTCOMES = ("accepted", "clipped", "spam", "refused")  # from best to worst
_SEVERITY = {FindingStatus.WARN: 1, FindingStatus.FAIL: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that speaks for the outcome."""

    finding: str
    outcome: str
    reply: str  # what the server would answer, when its page says so
    meaning: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one provider will probably do."""

    provider: str
    outcome: str  # accepted, clipped, spam or refused
    reasons: tuple[Reason, ...]
    sentence: str


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = files("mailglass.postmaster").joinpath("data/forecasts.tsv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines(), delimiter="\t"))


def forecasts(findings: Iterable[Finding], *, is_bulk: bool) -> tuple[Forecast, ...]:
    """One forecast for each provider that we know, also for those that will be content.

    Some rules hold for bulk senders only; they count when `is_bulk`.
    """
    status = {each.id: each.status for each in findings}
    rows = [row for row in _rows() if is_bulk or row["mail"] == "all"]
    return tuple(_forecast(provider, rows, status) for provider in PROVIDERS)


def _forecast(
    provider: str, rows: list[dict[str, str]], status: dict[str, FindingStatus]
) -> Forecast:
    reasons = [
        _reason(row)
        for row in rows
        if row["provider"] == provider and _counts(status.get(row["finding"]), row["at"])
    ]
    reasons.sort(key=lambda reason: -_OUTCOMES.index(reason.outcome))
    outcome = reasons[0].outcome if reasons else "accepted"
    return Forecast(
        provider=provider,
        outcome=outcome,
        reasons=tuple(reasons),
        sentence=_sentence(outcome, reasons),
    )


def _counts(status: FindingStatus | None, at: str) -> bool:
    return status is not None and _SEVERITY.get(status, 0) >= _SEVERITY[FindingStatus(at)]


def _reason(row: dict[str, str]) -> Reason:
    meaning = ""
    if row["reply"]:
        name = _REPLY_NAMES.get(row["provider"], row["provider"])
        meaning = explain_reply(row["reply"], provider=name).meaning
    return Reason(
        finding=row["finding"],
        outcome=row["outcome"],
        reply=row["reply"],
        meaning=meaning,
        source=f"{row['source']} ({row['checked']})",
    )


_WORDS = {
    "accepted": "nothing in the message speaks against it",
    "clipped": "will take it and show only its beginning",
    "spam": "may put it into the spam folder",
    "refused": "will probably refuse it",
}
_WITH = ' with "{reply}" ({meaning})'
_BECAUSE = ", because of {because}"


def sentences() -> Iterator[str]:
    """What a forecast can say, with names for what is put in."""
    for outcome, words in _WORDS.items():
        if outcome == "accepted":
            yield words
        else:
            yield words + _BECAUSE
            yield words + _WITH + _BECAUSE


def _sentence(outcome: str, reasons: list[Reason]) -> str:
    decisive = [reason for reason in reasons if reason.outcome == outcome]
    because = ", ".join(dict.fromkeys(reason.finding for reason in decisive))
    replies = [reason for reason in decisive if reason.reply]
    words = _WORDS[outcome] + (_WITH if replies else "") + (_BECAUSE if because else "")
    return words.format(
        reply=replies[0].reply if replies else "",
        meaning=replies[0].meaning if replies else "",
        because=because,
    )

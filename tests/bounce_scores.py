"""Scores a reader of bounces against corpora whose expected records lie beside them.

Used by the test that holds the bars and by `bench/inbound.py`, so that both count alike.

Sisimai's labels use other words than ours; ACCEPTED says which of our classes is right for each.
Where a label stands for several causes (`filtered`: "rejected after DATA, by the recipient's filter
or because there is no such user"; `networkerror`: "DNS lookup or other network trouble"), each of
them counts.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ACCEPTED", "BARS", "Read", "Scores", "files", "score"]

ACCEPTED = {
    "rejected-sender": {"policy", "blocked", "auth"},
    "sender-rejected": {"policy", "blocked", "auth"},
    "not-accepting": {"policy", "dns", "system", "network"},
    "unknown-user-or-filtered": {"unknown-user", "mailbox-disabled", "policy", "spam", "content"},
    "network": {"network", "expired", "dns"},
    "greylist": {"greylisted"},
}

# Percent; what the project set itself before it began.
BARS = {
    "Sisimai: recipients": 99.0,
    "flufl: recipients": 97.0,
    "status": 98.8,
    "reply code": 98.4,
    "class": 95.8,
    "generated: recipients": 100.0,
    "generated: reply code": 100.0,
    "generated: temporary or permanent": 100.0,
    "NetEase: meaning": 99.0,
    "Tencent: meaning": 99.0,
    "negatives": 100.0,
}

# Labelled as no bounce, but a bounce by its own words: "the email you sent was rejected".
MISLABELLED = {"sisimai/not/rb-issue-368-bug.eml"}

_SYSTEM_KINDS = {"bounce", "delay", "delivered", "complaint", "mdn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a reader says of one recipient."""

    recipient: str
    status: str | None = None
    reply_code: int | None = None
    class_: str | None = None
    permanent: bool | None = None


# A reader takes the bytes and gives the kind (None when it does not tell) and its records.
Reader = Callable[[bytes], tuple[str | None, Sequence[Read]]]


@dataclass(slots=True)
class Scores:
    """Right answers and questions by name, and what went wrong."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str, object, object]] = field(default_factory=list)

    def note(self, name: str, file: str, expected: object, got: object, *, fits: bool) -> None:
        self.asked[name] += 1
        self.right[name] += fits
        if not fits:
            self.wrong.append((name, file, expected, got))

    def percent(self, name: str) -> float | None:
        return 100 * self.right[name] / self.asked[name] if self.asked[name] else None


def _rows(path: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["file"], []).append(row)
    return found


def files(folder: Path) -> Iterator[Path]:
    """Every message of the corpora."""
    return (path for path in sorted(folder.rglob("*.eml")))


def score(folder: Path, read: Reader) -> Scores:
    """Ask the reader about every message of the labelled corpora under `folder`."""
    scores = Scores()
    for name, rows in _rows(folder / "expectations.tsv").items():
        _score_real(scores, name, rows, read((folder / name).read_bytes()))
    for name, rows in _rows(folder / "generated" / "expectations.tsv").items():
        _score_generated(scores, name, rows, read((folder / name).read_bytes()))
    return scores


def _score_real(
    scores: Scores,
    name: str,
    rows: list[dict[str, str]],
    answer: tuple[str | None, Sequence[Read]],
) -> None:
    kind, records = answer
    label = rows[0]["kind"]
    if label == "unlabelled":
        return
    if label == "not-bounce":
        if name not in MISLABELLED:
            quiet = kind not in _SYSTEM_KINDS if kind is not None else not records
            scores.note("negatives", name, "none", kind or records, fits=quiet)
        return
    corpus = "Sisimai" if rows[0]["corpus"].startswith("sisimai") else "flufl"
    if corpus == "Sisimai" or name.startswith("flufl/"):
        _score_recipients(scores, f"{corpus}: recipients", name, rows, records)
    for number, row in enumerate(rows):
        found = _record_for(row, number, rows, records)
        _score_record(scores, name, row, found)


def _names(row: dict[str, str]) -> set[str]:
    alternatives = row["alt_recipients"].replace("|", ",").split(",")
    return {name.strip().lower() for name in (row["recipient"], *alternatives) if name.strip()}


def _score_recipients(
    scores: Scores,
    question: str,
    name: str,
    rows: list[dict[str, str]],
    records: Sequence[Read],
) -> None:
    wanted = [_names(row) for row in rows if _names(row)]
    got = {record.recipient.lower() for record in records if record.recipient}
    if not wanted and rows[0]["kind"] == "bounce":
        return  # the label itself is empty
    exact = all(names & got for names in wanted) and got <= set().union(*wanted)
    scores.note(question, name, wanted, sorted(got), fits=exact)


def _record_for(
    row: dict[str, str], number: int, rows: list[dict[str, str]], records: Sequence[Read]
) -> Read | None:
    """The record of the row's recipient; of one that is named twice by position."""
    mine = [r for r in records if r.recipient.lower() in _names(row)] or list(records)
    same = [n for n, other in enumerate(rows) if other["recipient"] == row["recipient"]]
    if len(same) == len(mine):
        return mine[same.index(number)]
    return mine[0] if mine else None


def _score_record(scores: Scores, name: str, row: dict[str, str], found: Read | None) -> None:
    if row["status"] and row["status_is_pseudo"] == "0":
        got = found.status if found else None
        scores.note("status", name, row["status"], got, fits=got == row["status"])
    if row["replycode"]:
        code = found.reply_code if found else None
        scores.note("reply code", name, row["replycode"], code, fits=str(code) == row["replycode"])
    if row["cls"] and row["cls"] != "undetermined" and row["kind"] in ("bounce", "delay"):
        _score_class(scores, "class", name, row, found)


def _score_class(
    scores: Scores, question: str, name: str, row: dict[str, str], found: Read | None
) -> None:
    accepted = ACCEPTED.get(row["cls"], {row["cls"]})
    got = found.class_ if found else None
    scores.note(question, name, row["cls"], got, fits=got in accepted)


def _score_generated(
    scores: Scores,
    name: str,
    rows: list[dict[str, str]],
    answer: tuple[str | None, Sequence[Read]],
) -> None:
    """A file may name recipients whose rows are kept elsewhere; those of ours must be there."""
    found = {record.recipient.lower(): record for record in answer[1]}
    for row in rows:
        mine = found.get(row["recipient"].lower())
        who = row["recipient"]
        scores.note("generated: recipients", name, who, sorted(found), fits=mine is not None)
        code = str(mine.reply_code) if mine else None
        scores.note(
            "generated: reply code", name, row["replycode"], code, fits=code == row["replycode"]
        )
        lasting = mine.permanent if mine else None
        scores.note(
            "generated: temporary or permanent",
            name,
            row["temporary"],
            lasting,
            fits=lasting is not None and lasting == (row["temporary"] == "0"),
        )
        if row["enhanced"]:
            got = mine.status if mine else None
            scores.note(
                "generated: status", name, row["enhanced"], got, fits=got == row["enhanced"]
            )
        if row["cls"]:
            question = {"netease": "NetEase", "tencent": "Tencent", "qq": "Tencent"}.get(
                row["provider"], "other providers"
            )
            _score_class(scores, f"{question}: meaning", name, row, mine)

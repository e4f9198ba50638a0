"""`mailglass judge`: who caused the hits of a file, one JSON object a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from ..errors import Error
from ..evidence import Rules, judge_hit, load_rules, verdict_word
from ..evidence.hitfile import BadHit, hit_of_record

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some programs begin a file with one
_LONGEST_LINE = 1 << 20  # bytes; a hit has a few hundred


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--rules", "extra", type=click.Path(path_type=Path), help="A site's own rules (TOML)."
)
@click.option(
    "--lists",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of refreshed network lists, such as <data.directory>/networks.",
)
def command(file: BinaryIO, as_json: bool, extra: Path | None, lists: Path | None) -> None:
    """Judge each hit of FILE (JSON lines; - for standard input).

    A line without one is told as such, the others are judged, and the exit status is 65.
    """
    rules = load_rules(extra, lists=lists, now=datetime.now(UTC))
    is_bad = False
    for number, line in enumerate(_lines(file), 1):
        answer = _answer(line, number, rules)
        is_bad = is_bad or "error" in answer
        if as_json:
            click.echo(orjson.dumps(answer))
        else:
            click.echo(_sentence(answer, number))
    if is_bad:
        sys.exit(BadHit.exit_status)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Each line, of which no more than the limit is kept; blank lines are left out."""
    while line := file.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE)
        if line.strip():
            yield line


def _answer(line: bytes, number: int, rules: Rules) -> dict[str, Any]:
    identifier: object = None  # as the line has it
    try:
        if len(line) >= _LONGEST_LINE and not line.endswith(b"\n"):
            raise BadHit(f"the line is longer than {_LONGEST_LINE} bytes")
        try:
            record = orjson.loads(line.removeprefix(_BYTE_ORDER_MARK))
        except orjson.JSONDecodeError as error:
            raise BadHit(f"the line is no JSON: {error}") from error
        if isinstance(record, dict):
            identifier = record.get("id", "")
        _, hit, around = hit_of_record(record)
    except Error as error:
        return {"id": identifier, "line": number, "error": str(error), "error_id": error.id}
    judgement = judge_hit(hit, around, rules=rules)
    return {
        "id": identifier,
        "actor": judgement.actor.value,
        "verdict": verdict_word(judgement, rules),
        "probability_human": round(judgement.probability_human, 4),
        "evidence": [
            {"signal": e.signal, "weight": round(e.weight, 4), "text": e.text}
            for e in judgement.evidence
        ],
        "rules_version": judgement.rules_version,
    }


def _sentence(answer: dict[str, Any], number: int) -> str:
    if "error" in answer:
        return f"line {number}: not judged: {answer['error']}"
    reasons = "; ".join(f"{e['text']} ({e['weight']:+.1f})" for e in answer["evidence"])
    share = answer["probability_human"]
    return f"{answer['id']}: {answer['verdict']}, {answer['actor']}, {share:.0%} human: {reasons}"

"""Spam filters on this machine: SpamAssassin as a program, rspamd over HTTP.

Neither is asked about the network: SpamAssassin runs with `-L`, local tests only.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import dataclass

from .outcomes import Fetcher, FetchOutcome

__all__ = ["FilterScore", "ask_rspamd", "ask_spamassassin"]

_SECONDS = 30  # SpamAssassin compiles its rules at each start: 2 to 6 s on a small machine
_STATUS = re.compile(
    rb"^X-Spam-Mailglass: score=(-?[0-9.]+) required=(-?[0-9.]+) tests=([^\r\n]*(?:\r?\n[ \t].*)*)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterScore:
    """What one filter thinks of a message."""

    program: str  # spamassassin or rspamd
    points: float | None  # None when it was not there
    threshold: float = 0.0  # from which it calls a message spam
    rules: tuple[tuple[str, float], ...] = ()
    detail: str = ""


async def ask_spamassassin(raw: bytes) -> FilterScore:
    """The score of the `spamassassin` of this machine; its user preferences are not read."""
    program = shutil.which("spamassassin")
    if program is None:
        return _absent("spamassassin", "it is not installed (apt-get install spamassassin)")
    header = "add_header all Mailglass score=_SCORE_ required=_REQD_ tests=_TESTSSCORES(,)_"
    process = await asyncio.create_subprocess_exec(
        program,
        "-L",
        "-x",
        f"--cf={header}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate(raw)
    except TimeoutError:
        process.kill()
        await process.wait()
        return _absent("spamassassin", f"it did not answer within {_SECONDS} s")
    status = _STATUS.search(output)
    if status is None:
        return _absent("spamassassin", f"it gave no score (status {process.returncode})")
    return FilterScore(
        program="spamassassin",
        points=float(status[1]),
        threshold=float(status[2]),
        rules=_rules(re.sub(rb"\s", b"", status[3]).decode("ascii", "replace")),
    )


def _rules(text: str) -> tuple[tuple[str, float], ...]:
    pairs = (part.rpartition("=") for part in text.split(","))
    return tuple((name, float(points)) for name, _, points in pairs if name)


async def ask_rspamd(raw: bytes, fetcher: Fetcher, url: str) -> FilterScore:
    """The score of the rspamd whose normal worker answers at `url`."""
    page = await fetcher.fetch(f"{url}/checkv2", method="POST", body=raw, limit_bytes=1 << 20)
    if page.outcome is not FetchOutcome.ANSWERED or page.status != 200:
        return _absent("rspamd", page.detail or f"it answers {page.status}")
    try:
        told = json.loads(page.body)
        symbols = told.get("symbols", {})
        return FilterScore(
            program="rspamd",
            points=float(told["score"]),
            threshold=float(told["required_score"]),
            rules=tuple((name, float(each.get("score", 0))) for name, each in symbols.items()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _absent("rspamd", f"its answer cannot be read: {error}")


def _absent(program: str, detail: str) -> FilterScore:
    return FilterScore(program=program, points=None, detail=detail)

"""Whether an installation's data hold together: database, journal, spool, disk.

Each check is a finding with a stable id. A check that cannot be made says so and hides no other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import orjson

from ..errors import CorruptRecord, InputError
from ..history import (
    History,
    HistoryOutdated,
    Step,
    Transaction,
    database_file,
    migrate,
    open_engine,
    pending_steps,
)
from ..ingest import NIGHTLY
from ..journal import START, Cursor, published_end, verify
from ..model import Finding, FindingStatus
from ..postmaster import FindingKind
from ..settings import Settings
from ..spool import Spool

__all__ = ["DATABASE_FINDINGS", "examine_database", "migrate_history"]

OK, INFO, WARN, FAIL, UNKNOWN = FindingStatus

# Below this the next backup or a busy day fills the disk (ours).
_LEAST_FREE_SHARE, _LEAST_FREE_BYTES = 0.05, 1 << 30
_LATE_NIGHTLY = timedelta(days=2)
_MANY_WAITING = 100_000  # hits that ingest has not read: ten seconds of its work
_EXAMPLES = 5


def _kind(id_: str, about: str, expected: str, why: str, **fixes: str) -> FindingKind:
    return FindingKind(
        id=id_, about=about, expected=expected, why=why, providers=(), source="", fixes=fixes
    )


DATABASE_FINDINGS = {
    kind.id: kind
    for kind in (
        _kind(
            "db.connection",
            "Whether the history answers",
            "it can be opened",
            "Without it nothing new is shown; the collector, gateway and courier go on without it.",
            open="start the database, or correct history.url; `mailglass config` shows it",
        ),
        _kind(
            "db.schema",
            "Whether the history has the schema of this program",
            "every step of this release is made",
            "A program on another schema refuses to start.",
            pre="run `mailglass doctor-db --migrate`",
            post="when no process of the release before runs any more: "
            "`mailglass doctor-db --migrate`",
            other="{advice}",
        ),
        _kind(
            "db.integrity",
            "What the database says of its own pages and keys",
            "no damage",
            "A damaged page spreads into every backup that is made of it.",
            damage="stop everything, copy the files away, and restore the newest backup that has "
            "no damage: `mailglass restore BACKUP --data-directory DIR`",
        ),
        _kind(
            "db.orphans",
            "Rows that lead nowhere",
            "every event, hit, judgement and notice has what it belongs to; that an event was "
            "judged otherwise since a notice told it is no fault",
            "They come from a transaction that was not one, or from a hand in the database.",
            report="nothing is shown of them; report how it came about, with the version",
        ),
        _kind(
            "db.rollups",
            "The counts that pages show, against the events themselves",
            "they are equal",
            "A count that is wrong goes on being wrong.",
            recount="the events are right: `mailglass doctor-db --rebuild-counts` counts them anew",
        ),
        _kind(
            "db.journal",
            "The journal of hits: every record's checksum, and how far ingest has read it",
            "no damage, and the history's place lies inside it",
            "What lies behind the place is not in the history yet.",
            damage="the records around it are whole; `mailglass journal verify` shows where it is",
            ahead="the journal is older than the history, as after restoring one of them alone: "
            "restore both from the same backup",
            waiting="see that the ingest role runs and keeps up",
            end="restart the collector: its next start repairs it",
        ),
        _kind(
            "db.spool",
            "The spool: its file, and how far ingest has read its events",
            "no damage, and the history's place lies inside it",
            "New events with numbers below the place would never be read.",
            damage="stop the gateway and delivery, copy the file away, and restore the newest "
            "backup",
            ahead="the spool is older than the history: restore both from the same backup",
        ),
        _kind(
            "db.poison",
            "Records that could not be used and were set aside",
            "none",
            "Each is a hit or an event that is in no count.",
            look="report them with the version; the log says why each was set aside "
            "(action=poison)",
        ),
        _kind(
            "db.nightly",
            "The nightly task",
            "it ran within two days",
            "Without it personal data stay longer than promised.",
            run="see that the ingest role runs; `mailglass retention run` does it now",
        ),
        _kind(
            "db.disk",
            "Free space where the data lie",
            "at least 5 %, and 1 GiB",
            "On a full disk no mail is taken and no hit is kept.",
            free="free or add space; `mailglass retention show` says what is kept for how long",
        ),
    )
}


def examine_database(
    settings: Settings, *, tell: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Every finding; only reads, beside running roles."""
    found = []
    for name, look in _CHECKS.items():
        tell(name)
        try:
            found += list(look(settings))
        except Exception as error:  # of whatever driver or file: one check must hide no other
            found.append(_found(name, UNKNOWN, f"could not be checked: {error}"))
    return found


def migrate_history(settings: Settings) -> list[Step]:
    """Make every step of the schema that is missing; returns them."""
    engine = open_engine(settings.history_address)
    try:
        return migrate(engine, "all")
    finally:
        engine.dispose()


def rebuild_counts(settings: Settings) -> None:
    """Count every roll-up anew from the events; ingest waits meanwhile."""
    history = History(settings.history_address)
    try:
        with history.transaction() as t:
            t.rebuild_rollups()
    finally:
        history.close()


def _found(
    id_: str, status: FindingStatus, observed: str, fix: str | None = None, **values: object
) -> Finding:
    kind = DATABASE_FINDINGS[id_]
    return Finding(
        id=id_,
        status=status,
        observed=observed,
        expected=kind.expected,
        why=kind.why,
        fix=kind.fixes[fix].format_map(values) if fix else "",
    )


def _connection(settings: Settings) -> Iterator[Finding]:
    try:
        _pending(settings)
    except Exception as error:  # of whatever driver: that it does not answer is the finding
        yield _found("db.connection", FAIL, f"it does not answer: {error}", "open")
        return
    yield _found("db.connection", OK, "it answers")


def _schema(settings: Settings) -> Iterator[Finding]:
    missing = _pending(settings)
    names = ", ".join(step.revision for step in missing)
    if any(step.phase == "pre" for step in missing):
        yield _found("db.schema", FAIL, f"missing: {names}", "pre")
    elif missing:
        yield _found("db.schema", INFO, f"still to be made: {names}", "post")
    else:
        try:
            History(settings.history_address).close()
        except HistoryOutdated as error:
            yield _found("db.schema", FAIL, str(error), "other", advice=error)
            return
        yield _found("db.schema", OK, "every step is made")


def _integrity(settings: Settings) -> Iterator[Finding]:
    with _Reading(settings) as t:
        damage = t.damage()
    if damage:
        yield _found("db.integrity", FAIL, "; ".join(damage[:_EXAMPLES]), "damage")
    else:
        yield _found("db.integrity", OK, "the database finds none")


def _orphans(settings: Settings) -> Iterator[Finding]:
    with _Reading(settings) as t:
        orphans = t.orphans()
    if orphans:
        said = ", ".join(f"{o.count} rows of {o.table} without their {o.what}" for o in orphans)
        yield _found("db.orphans", WARN, said, "report")
    else:
        yield _found("db.orphans", OK, "none")


def _rollups(settings: Settings) -> Iterator[Finding]:
    with _Reading(settings) as t:
        wrong = list(islice(t.miscounts(), _EXAMPLES + 1))
    if wrong:
        said = "; ".join(
            f"{w.where}: {w.counter} is {w.kept}, counted {w.counted}" for w in wrong[:_EXAMPLES]
        )
        more = "; and more" if len(wrong) > _EXAMPLES else ""
        yield _found("db.rollups", FAIL, said + more, "recount")
    else:
        yield _found("db.rollups", OK, "every count is that of its events")


def _journal(settings: Settings) -> Iterator[Finding]:
    directory = settings.data_directory / "journal"
    try:
        end = published_end(directory)
    except CorruptRecord as error:
        yield _found("db.journal", FAIL, str(error), "end")
        return
    with _Reading(settings) as t:
        place = Cursor.parse(t.cursor("journal") or str(START))
    if place > end:
        yield _found("db.journal", FAIL, f"the history is at {place}, the end is {end}", "ahead")
        return
    report = verify(directory)
    if report.poison:
        where = ", ".join(str(p.at) for p in report.poison[:_EXAMPLES])
        yield _found("db.journal", WARN, f"{len(report.poison)} damaged: {where}", "damage")
    ahead = sum(s.hits for s in report.segments if s.segment > place.segment)
    if ahead > _MANY_WAITING:
        yield _found("db.journal", WARN, f"more than {ahead} hits are not read yet", "waiting")
    elif not report.poison:
        yield _found("db.journal", OK, f"{report.hits} hits, read up to {place} of {end}")


def _spool(settings: Settings) -> Iterator[Finding]:
    path = _existing(settings.data_directory / "spool.db")
    damage, last = Spool.examine(path)
    if damage:
        yield _found("db.spool", FAIL, "; ".join(damage[:_EXAMPLES]), "damage")
        return
    with _Reading(settings) as t:
        place = int(t.cursor("spool") or 0)
    if place > last:
        said = f"the history is at {place}, the spool at {last}"
        yield _found("db.spool", FAIL, said, "ahead")
    else:
        yield _found("db.spool", OK, f"events read up to {place} of {last}")


def _poison(settings: Settings) -> Iterator[Finding]:
    with _Reading(settings) as t:
        rows = t.poison()
    if rows:
        said = "; ".join(f"{row['id']}: {row['reason']}" for row in rows[:_EXAMPLES])
        yield _found("db.poison", WARN, f"{len(rows)}: {said}", "look")
    else:
        yield _found("db.poison", OK, "none")


def _nightly(settings: Settings) -> Iterator[Finding]:
    with _Reading(settings) as t:
        last = t.reports(NIGHTLY)
    if not last:
        yield _found("db.nightly", INFO, "it has not run yet", "run")
        return
    said = (
        f"last run {last[0].began_at:%Y-%m-%d %H:%M} UTC: {orjson.dumps(last[0].result).decode()}"
    )
    late = datetime.now(UTC) - last[0].began_at > _LATE_NIGHTLY
    yield _found("db.nightly", WARN if late else OK, said, "run" if late else None)


def _disk(settings: Settings) -> Iterator[Finding]:
    usage = shutil.disk_usage(settings.data_directory)
    said = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} GiB are free"
    is_low = usage.free < _LEAST_FREE_BYTES or usage.free < _LEAST_FREE_SHARE * usage.total
    yield _found("db.disk", WARN if is_low else OK, said, "free" if is_low else None)


def _pending(settings: Settings) -> list[Step]:
    _refuse_missing(settings)
    engine = open_engine(settings.history_address)
    try:
        return pending_steps(engine)
    finally:
        engine.dispose()


def _refuse_missing(settings: Settings) -> None:
    """Opening a database of SQLite makes it; a look must not."""
    path = database_file(settings.history_address)
    if path is not None:
        _existing(path)


class _Reading:
    """The history, to be read only, for one check."""

    def __init__(self, settings: Settings) -> None:
        _refuse_missing(settings)
        self._history = History(settings.history_address)
        self._open = self._history.reading()

    def __enter__(self) -> Transaction:
        return self._open.__enter__()

    def __exit__(self, *about: object) -> None:
        try:
            self._open.__exit__(*about)  # type: ignore[arg-type]  # as they were handed in
        finally:
            self._history.close()


def _existing(path: Path) -> Path:
    """A file that a look must not make."""
    if not path.exists():
        raise InputError(f"there is no {path}; --data names the data directory")
    return path


_CHECKS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "db.connection": _connection,
    "db.schema": _schema,
    "db.integrity": _integrity,
    "db.orphans": _orphans,
    "db.rollups": _rollups,
    "db.journal": _journal,
    "db.spool": _spool,
    "db.poison": _poison,
    "db.nightly": _nightly,
    "db.disk": _disk,
}

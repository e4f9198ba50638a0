"""DMARC and TLS reports (RFC 9990, RFC 9991, RFC 8460): what receivers say of our mail.

parsedmarc reads the many forms in which they come and is imported only here, only when a report is
read. What it gives becomes rows, one for each source and outcome, kept in one file of JSON lines
for the deliverability page. A failure report names single messages: its recipients are
not kept.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, CorruptRecord, InputError, StorageUnavailable

__all__ = ["BadReport", "DomainReport", "ReportFile", "ReportRow", "read_report", "summarise"]

# The largest report seen in public corpora has 2 MB unpacked; a stranger may send anything.
_MAX_BYTES = 25 << 20


class BadReport(InputError):
    """The bytes are no report that can be read."""

    id = "bad-report"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One line of a report."""

    kind: str  # dmarc, failure or tls
    reporter: str
    report_id: str
    domain: str  # whose mail it is about
    begins_at: str  # as the report says, UTC
    ends_at: str
    source: str  # the address that sent (dmarc, failure), or the MX host (tls)
    count: int  # messages, or sessions
    passed: bool  # an aligned pass; for tls, an encrypted session
    detail: str  # such as spf=pass dkim=fail disposition=none


def read_report(raw: bytes) -> list[ReportRow]:
    """The rows of one report: XML, JSON, gzip, zip, or the e-mail that carries it.

    Raises BadReport, and ConfigurationError when parsedmarc is not installed.
    """
    if len(raw) > _MAX_BYTES:
        raise BadReport(f"{len(raw)} bytes are more than any report has")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import parsedmarc
    except ImportError as error:
        raise ConfigurationError(
            "reading reports needs parsedmarc: pip install 'mailglass[reports]'"
        ) from error
    try:
        parsed = parsedmarc.parse_report_file(raw, offline=True, always_use_local_files=True)
        reader = _READERS[parsed["report_type"]]
        return list(reader(parsed["report"]))
    except (parsedmarc.ParserError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadReport(f"no report: {error or type(error).__name__}") from error


def _aggregate(report: Mapping[str, Any]) -> Iterator[ReportRow]:
    meta = report["report_metadata"]
    for record in report["records"]:
        judged, aligned = record["policy_evaluated"], record["alignment"]
        detail = f"spf={judged['spf']} dkim={judged['dkim']} disposition={judged['disposition']}"
        yield ReportRow(
            kind="dmarc",
            reporter=str(meta["org_name"]),
            report_id=str(meta["report_id"]),
            domain=str(record["identifiers"]["header_from"]),
            begins_at=str(meta["begin_date"]),
            ends_at=str(meta["end_date"]),
            source=str(record["source"]["ip_address"]),
            count=int(record["count"]),
            passed=bool(aligned["dmarc"]),
            detail=detail,
        )


def _failure(report: Mapping[str, Any]) -> Iterator[ReportRow]:
    at = str(report["arrival_date_utc"])
    yield ReportRow(
        kind="failure",
        reporter=str(report.get("user_agent")),
        report_id=str(report.get("original_envelope_id") or at),
        domain=str(report["reported_domain"]),
        begins_at=at,
        ends_at=at,
        source=str(report["source"]["ip_address"]),
        count=1,
        passed=False,
        detail=f"failed {', '.join(report['auth_failure'])}: {report['delivery_result']}",
    )


def _tls(report: Mapping[str, Any]) -> Iterator[ReportRow]:
    for policy in report["policies"]:
        outcomes = [("", int(policy["successful_session_count"]), True, "encrypted")]
        outcomes += [
            (
                str(each.get("receiving_mx_hostname", "")),
                int(each["failed_session_count"]),
                False,
                str(each["result_type"]),
            )
            for each in policy.get("failure_details", ())
        ]
        # The details are optional and may name less than the summary counts (RFC 8460 section 4.4).
        named = sum(count for _, count, passed, _ in outcomes if not passed)
        unnamed = int(policy.get("failed_session_count", 0)) - named
        if unnamed > 0:
            outcomes.append(("", unnamed, False, "failed, and the report does not say why"))
        for source, count, passed, detail in outcomes:
            yield ReportRow(
                kind="tls",
                reporter=str(report["organization_name"]),
                report_id=str(report["report_id"]),
                domain=str(policy["policy_domain"]),
                begins_at=str(report["begin_date"]),
                ends_at=str(report["end_date"]),
                source=source,
                count=count,
                passed=passed,
                detail=f"{policy['policy_type']}: {detail}",
            )


_READERS = {
    "aggregate": _aggregate,
    "failure": _failure,
    "forensic": _failure,
    "smtp_tls": _tls,
}


class ReportFile:
    """The imported reports: one file that is only appended to, one report a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[ReportRow]:
        """Every row; none when nothing was imported. Raises CorruptRecord with the line."""
        if not self.path.exists():
            return []
        found: list[ReportRow] = []
        lines = self.path.read_text("utf-8").split("\n")
        # What stands behind the last line end was torn off by a crash and never acknowledged.
        for number, line in enumerate(lines[:-1], 1):
            try:
                found += [ReportRow(**row) for row in json.loads(line)]
            except (ValueError, TypeError) as error:
                raise CorruptRecord(f"{self.path} line {number}: {error}") from error
        return found

    def add(self, report: Sequence[ReportRow]) -> int:
        """Append one report, on stable storage when it returns; how many rows were new.

        A report that is there already, by its reporter and id, counts once. After a crash it is
        there as a whole or not at all. Raises StorageUnavailable.
        """
        known = {_name(row) for row in self.rows()}
        if not report or _name(report[0]) in known:
            return 0
        text = json.dumps([asdict(row) for row in report], ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._cut_torn_line()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageUnavailable(f"{self.path} cannot be written: {error}") from error
        return len(report)

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                os.truncate(self.path, data.rfind(b"\n") + 1)


def _name(row: ReportRow) -> tuple[str, str, str]:
    return row.kind, row.reporter, row.report_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReport:
    """What all rows say of one domain."""

    domain: str
    kind: str
    reporters: tuple[str, ...]
    count: int
    passed: int
    failing: tuple[tuple[str, int, str], ...]  # source, count, detail; most first


_SHOWN = 20  # failing sources of a domain


def summarise(rows: Iterable[ReportRow]) -> list[DomainReport]:
    """The rows by domain and kind, with the sources that fail most."""
    groups: dict[tuple[str, str], list[ReportRow]] = {}
    for row in rows:
        groups.setdefault((row.domain, row.kind), []).append(row)
    return [_summary(domain, kind, group) for (domain, kind), group in sorted(groups.items())]


def _summary(domain: str, kind: str, rows: list[ReportRow]) -> DomainReport:
    failing: dict[tuple[str, str], int] = {}
    for row in rows:
        if not row.passed:
            key = (row.source, row.detail)
            failing[key] = failing.get(key, 0) + row.count
    most = sorted(failing.items(), key=lambda item: -item[1])[:_SHOWN]
    return DomainReport(
        domain=domain,
        kind=kind,
        reporters=tuple(sorted({row.reporter for row in rows})),
        count=sum(row.count for row in rows),
        passed=sum(row.count for row in rows if row.passed),
        failing=tuple((source, count, detail) for (source, detail), count in most),
    )

"""Reports of receivers become rows, once each, and rows become a summary."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailglass.errors import ConfigurationError, CorruptRecord
from mailglass.postmaster import BadReport, ReportFile, ReportRow, read_report, summarise
from mailglass.postmaster.reports import _tls

AGGREGATE = """<?xml version="1.0"?>
<feedback><report_metadata><org_name>mx.test</org_name><email>d@mx.test</email>
<report_id>7</report_id><date_range><begin>1795305600</begin><end>1795391999</end></date_range>
</report_metadata>
<policy_published><domain>shop.test</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp>
<pct>100</pct></policy_published>
<record><row><source_ip>192.0.2.10</source_ip><count>90</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
<identifiers><header_from>shop.test</header_from></identifiers><auth_results>
<dkim><domain>shop.test</domain><selector>s</selector><result>pass</result></dkim>
<spf><domain>shop.test</domain><result>pass</result></spf></auth_results></record>
<record><row><source_ip>198.51.100.5</source_ip><count>10</count><policy_evaluated>
<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>shop.test</header_from></identifiers><auth_results>
<spf><domain>other.test</domain><result>pass</result></spf></auth_results></record>
</feedback>"""
TLS = {
    "organization-name": "mx.test",
    "date-range": {
        "start-datetime": "2026-11-20T00:00:00Z",
        "end-datetime": "2026-11-20T23:59:59Z",
    },
    "contact-info": "t@mx.test",
    "report-id": "8",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-string": [], "policy-domain": "shop.test"},
            "summary": {"total-successful-session-count": 7, "total-failure-session-count": 3},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "192.0.2.9",
                    "receiving-mx-hostname": "mx.shop.test",
                    "failed-session-count": 3,
                }
            ],
        }
    ],
}


@pytest.fixture
def parsedmarc() -> None:
    """Skips without parsedmarc."""
    try:
        read_report(b"")
    except ConfigurationError:
        pytest.skip("parsedmarc is not installed")
    except BadReport:
        pass


@pytest.mark.usefixtures("parsedmarc")
def test_an_aggregate_report_becomes_rows() -> None:
    rows = read_report(gzip.compress(AGGREGATE.encode()))
    assert [(row.source, row.count, row.passed) for row in rows] == [
        ("192.0.2.10", 90, True),
        ("198.51.100.5", 10, False),
    ]
    assert rows[1].detail == "spf=fail dkim=fail disposition=none"


@pytest.mark.usefixtures("parsedmarc")
def test_a_tls_report_becomes_rows() -> None:
    rows = read_report(json.dumps(TLS).encode())
    assert [(row.source, row.count, row.passed) for row in rows] == [
        ("", 7, True),
        ("mx.shop.test", 3, False),
    ]


@pytest.mark.parametrize(
    ("failed", "details", "rows"),
    [
        (303, [60, 40], [(5326, True), (60, False), (40, False), (203, False)]),
        (100, [60, 40], [(5326, True), (60, False), (40, False)]),
        (90, [60, 40], [(5326, True), (60, False), (40, False)]),  # the details are what was seen
        (9, [], [(5326, True), (9, False)]),
    ],
)
def test_failures_that_a_tls_report_only_sums_up_count(
    failed: int, details: list[int], rows: list[tuple[int, bool]]
) -> None:
    policy = {
        "policy_domain": "shop.test",
        "policy_type": "sts",
        "successful_session_count": 5326,
        "failed_session_count": failed,
        "failure_details": [
            {"result_type": "certificate-expired", "failed_session_count": n} for n in details
        ],
    }
    report = {
        "organization_name": "mx.test",
        "report_id": "8",
        "begin_date": "2026-11-20T00:00:00Z",
        "end_date": "2026-11-20T23:59:59Z",
        "policies": [policy],
    }
    found = list(_tls(report))
    assert [(row.count, row.passed) for row in found] == rows
    (summary,) = summarise(found)
    assert (summary.count, summary.passed) == (5326 + max(failed, sum(details)), 5326)


@pytest.mark.usefixtures("parsedmarc")
def test_real_reports_are_read(shared_data: Path) -> None:
    folder = shared_data / "corpus/domainaware+parsedmarc"
    for pattern, kind in (("*aggregate_twilight*", "dmarc"), ("*Netease*", "failure")):
        (file,) = folder.glob(pattern)
        assert {row.kind for row in read_report(file.read_bytes())} == {kind}


@pytest.mark.usefixtures("parsedmarc")
@pytest.mark.parametrize("raw", [b"", b"hello", b"From: a@b.test\r\n\r\nhi", b"\x1f\x8b\x08junk"])
def test_bytes_that_are_no_report_are_told_so(raw: bytes) -> None:
    with pytest.raises(BadReport):
        read_report(raw)


def test_without_parsedmarc_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsedmarc", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mailglass\[reports\]'"):
        read_report(b"x")


def row(count: int, *, passed: bool, source: str = "192.0.2.1", report_id: str = "1") -> ReportRow:
    return ReportRow(
        kind="dmarc",
        reporter="mx.test",
        report_id=report_id,
        domain="shop.test",
        begins_at="2026-11-20 00:00:00",
        ends_at="2026-11-20 23:59:59",
        source=source,
        count=count,
        passed=passed,
        detail="spf=pass",
    )


def test_the_same_report_imported_twice_counts_once(tmp_path: Path) -> None:
    store = ReportFile(tmp_path / "new" / "reports.jsonl")
    assert store.rows() == []
    same = row(1, passed=True)
    assert store.add([same, same]) == 2  # two records of one report may be alike
    assert store.add([same, same]) == 0
    assert store.add([row(3, passed=False, report_id="2")]) == 1
    assert [each.count for each in store.rows()] == [1, 1, 3]


def test_a_line_that_a_crash_tore_is_cut_and_the_rest_kept(tmp_path: Path) -> None:
    store = ReportFile(tmp_path / "reports.jsonl")
    store.add([row(1, passed=True)])
    with store.path.open("a") as file:
        file.write('[{"kind": "dm')
    assert [each.count for each in store.rows()] == [1]
    store.add([row(2, passed=True, report_id="2")])
    assert [each.count for each in store.rows()] == [1, 2]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    store = ReportFile(tmp_path / "reports.jsonl")
    store.path.write_text('[{"kind": 1}]\n')
    with pytest.raises(CorruptRecord, match="line 1"):
        store.rows()


def test_a_summary_names_the_sources_that_fail_most() -> None:
    rows = [row(90, passed=True), row(3, passed=False), row(7, passed=False, source="192.0.2.2")]
    (found,) = summarise(rows)
    assert (found.count, found.passed) == (100, 90)
    assert [source for source, _, _ in found.failing] == ["192.0.2.2", "192.0.2.1"]


@pytest.mark.usefixtures("parsedmarc")
def test_the_command_imports_a_folder_and_shows_a_domain(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.xml").write_text(AGGREGATE)
    (folder / "b.json").write_text(json.dumps(TLS))
    (folder / "c.txt").write_text("no report")
    data = ("--data", str(tmp_path / "data"))
    done = run_cli(*data, "reports", "import", str(folder), "--json")
    told = json.loads(done.stdout)
    assert (told["added"], len(told["refused"]), done.returncode) == (4, 1, 1)
    again = run_cli(*data, "reports", "import", str(folder), "--json")
    assert json.loads(again.stdout)["added"] == 0
    shown = run_cli(*data, "reports", "show", "shop.test")
    assert b"90 of 100 messages passed (90.0 %)" in shown.stdout
    assert b"198.51.100.5" in shown.stdout

"""Checks whose world is easier told than served: tracking hosts, policies, hostile text."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postmaster_servers import FixedPages

from mailglass.lookup import Answer, FetchOutcome, Memo, Outcome, Page, WireError
from mailglass.model import Finding
from mailglass.postmaster import (
    Case,
    SpfResult,
    check_host,
    examine,
    suffix_organization,
    survey,
    tree_walk,
)
from mailglass.postmaster.certificates import name_fits
from mailglass.postmaster.checks.dkim import DkimKeyError, parse_key
from mailglass.postmaster.checks.mta_sts import host_fits, parse_policy
from mailglass.postmaster.checks.ptr import looks_generic


class Zone:
    """A resolver whose records are given by name and type; else NXDOMAIN, or what `rest` says."""

    def __init__(
        self, records: Mapping[tuple[str, str], list[str]], rest: Outcome = Outcome.NXDOMAIN
    ) -> None:
        self.records, self.rest = records, rest

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        found = tuple(self.records.get((name.lower(), kind), ()))
        outcome = Outcome.ANSWERS if found else self.rest
        return Answer(name=name.lower(), kind=kind, outcome=outcome, records=found, detail="told")


class NoServer:
    """A dialler that reaches nothing."""

    async def dial(self, address: str, port: int, **options: object) -> object:
        raise WireError("timeout", f"{address} did not answer")


def look(zone: object, pages: Mapping[str, Page] | None = None, **options: object) -> list[Finding]:
    case = Case(
        **{
            "domain": "shop.test",
            "author_domain": "shop.test",
            "resolver": zone,
            "fetcher": FixedPages(pages or {}),
            "dialler": NoServer(),
            "now": datetime(2026, 11, 22, tzinfo=UTC),
            "zones": (),
            **options,
        }  # type: ignore[arg-type]
    )
    return asyncio.run(examine(case))


def page(outcome: FetchOutcome, status: int = 0, **headers: str) -> Page:
    return Page(url="x", outcome=outcome, status=status, headers=headers, detail="as told")


TRACKING = [
    (page(FetchOutcome.ANSWERED, 200), page(FetchOutcome.ANSWERED, 200), "ok", "ok"),
    (page(FetchOutcome.ANSWERED, 404), page(FetchOutcome.ANSWERED, 400), "ok", "ok"),
    (page(FetchOutcome.TLS_FAILED), page(FetchOutcome.TLS_FAILED), "fail", "fail"),
    (page(FetchOutcome.UNREACHABLE), page(FetchOutcome.UNREACHABLE), "fail", "fail"),
    (page(FetchOutcome.TIMEOUT), page(FetchOutcome.TIMEOUT), "unknown", "unknown"),
    (
        page(FetchOutcome.ANSWERED, 200),
        page(FetchOutcome.ANSWERED, 302, location="https://a.test/"),
        "ok",
        "fail",
    ),
    (page(FetchOutcome.ANSWERED, 200), page(FetchOutcome.ANSWERED, 405), "ok", "fail"),
    (page(FetchOutcome.ANSWERED, 200), page(FetchOutcome.ANSWERED, 503), "ok", "fail"),
]


@pytest.mark.parametrize(("get", "post", "host", "endpoint"), TRACKING)
def test_a_tracking_host_is_judged_by_its_answers(
    get: Page, post: Page, host: str, endpoint: str
) -> None:
    zone = Zone({("t.shop.test", "A"): ["192.0.2.5"]})
    pages = {"https://t.shop.test/": get, "https://t.shop.test/u/mailglass-doctor": post}
    found = {each.id: each for each in look(zone, pages, tracking_host="t.shop.test")}
    assert (found["tracking.host"].status, found["one-click.endpoint"].status) == (host, endpoint)
    assert found["tracking.organization"].status == "ok"


def test_a_tracking_host_of_another_organisation_is_a_warning() -> None:
    zone = Zone({("track.other.test", "A"): ["192.0.2.5"]})
    found = {each.id: each for each in look(zone, tracking_host="track.other.test")}
    assert found["tracking.organization"].status == "warn"
    assert "click.shop.test" in found["tracking.organization"].fix


def test_a_tracking_host_without_address_is_a_failure() -> None:
    found = {each.id: each for each in look(Zone({}), tracking_host="t.shop.test")}
    assert found["tracking.host"].status == "fail"


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.SERVFAIL, Outcome.REFUSED])
def test_a_dns_that_fails_makes_everything_unknown_and_nothing_fail(outcome: Outcome) -> None:
    url = "https://t.shop.test/u/mailglass-doctor"
    found = look(
        Zone({}, rest=outcome),
        {url: page(FetchOutcome.DNS_FAILED)},
        ips=("192.0.2.1", "2001:db8::1"),
        selectors=("s",),
        tracking_host="t.shop.test",
    )
    assert not [each for each in found if each.status in ("warn", "fail")]
    assert len([each for each in found if each.status == "unknown"]) >= 12


def test_a_check_that_does_not_end_is_unknown() -> None:
    class Never:
        async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

    async def run() -> list[Finding]:
        case = Case(
            domain="shop.test",
            author_domain="shop.test",
            resolver=Memo(Never()),
            fetcher=FixedPages({}),
            dialler=NoServer(),  # type: ignore[arg-type]
            now=datetime(2026, 11, 22, tzinfo=UTC),
        )
        return await examine(case, limit_seconds=0.05)

    found = asyncio.run(run())
    assert {each.id for each in found if each.status == "unknown"} == {"check.unfinished"}


WALKS = [
    # records at _dmarc, the From domain, its organisation, the domain whose policy applies
    ({"shop.test": "p=none"}, "shop.test", "shop.test", "shop.test"),
    ({"shop.test": "p=none"}, "a.b.shop.test", "shop.test", "shop.test"),
    ({}, "a.shop.test", "a.shop.test", None),
    ({"shop.test": "p=none", "a.shop.test": "p=reject"}, "a.shop.test", "shop.test", "a.shop.test"),
    (
        {"a.shop.test": "p=none; psd=n", "shop.test": "p=none"},
        "b.a.shop.test",
        "a.shop.test",
        "a.shop.test",
    ),
    ({"test": "p=reject; psd=y", "shop.test": "p=none"}, "a.shop.test", "shop.test", "shop.test"),
    ({"test": "p=reject; psd=y"}, "a.shop.test", "shop.test", "test"),
    ({"b.test": "p=none"}, "1.2.3.4.5.6.7.8.9.a.b.test", "b.test", "b.test"),
]


@pytest.mark.parametrize(("records", "domain", "organization", "policy"), WALKS)
def test_the_tree_walk_finds_organisation_and_policy(
    records: dict[str, str], domain: str, organization: str, policy: str | None
) -> None:
    zone = Zone({(f"_dmarc.{n}", "TXT"): [f"v=DMARC1; {t}"] for n, t in records.items()})
    walk = asyncio.run(tree_walk(zone, domain))
    assert walk.organization == organization
    assert (walk.policy.domain if walk.policy else None) == policy
    assert len(walk.steps) <= 8


@pytest.mark.parametrize(
    ("domain", "organization"),
    [
        ("a.shop.co.uk", "shop.co.uk"),
        ("shop.com.cn", "shop.com.cn"),
        ("mail.shop.co.kr", "shop.co.kr"),
        ("co.uk", "co.uk"),
        ("a.shop.test", "shop.test"),
    ],
)
def test_the_public_suffix_list_knows_registries(domain: str, organization: str) -> None:
    assert suffix_organization(domain) == organization


@pytest.mark.parametrize(
    ("host", "ip", "generic"),
    [
        ("mail.shop.test", "192.0.2.24", False),
        ("192-0-2-24.isp.test", "192.0.2.24", True),
        ("24.2.0.192.isp.test", "192.0.2.24", True),
        ("192000002024.isp.test", "192.0.2.24", True),
        ("c0000218.isp.test", "192.0.2.24", True),
        ("host7.dyn.isp.test", "192.0.2.24", True),
        ("dynamo.shop.test", "192.0.2.24", False),
        ("pooling.shop.test", "192.0.2.24", False),
        ("cust-7.isp.test", "2001:db8::1", True),
        ("mx1.shop.test", "2001:db8::1", False),
    ],
)
def test_the_name_of_a_home_connection_is_recognised(host: str, ip: str, generic: bool) -> None:
    assert looks_generic(host, ip) is generic


@pytest.mark.parametrize(
    ("host", "pattern", "fits"),
    [
        ("mx.shop.test", "mx.shop.test", True),
        ("MX.shop.test.", "mx.shop.test", True),
        ("mx.shop.test", "*.shop.test", True),
        ("a.mx.shop.test", "*.shop.test", False),
        ("shop.test", "*.shop.test", False),
    ],
)
def test_a_pattern_of_a_policy_covers_one_label(host: str, pattern: str, fits: bool) -> None:
    assert host_fits(host, pattern) is fits
    assert name_fits(host, (pattern,)) is fits


@given(st.binary(max_size=300))
def test_no_policy_file_breaks_its_reader(body: bytes) -> None:
    policy, fault = parse_policy(body)
    assert fault or policy["version"] == ["stsv1"]


@given(st.binary(max_size=300), st.sampled_from(["rsa", "ed25519", "x"]))
def test_no_key_record_breaks_its_reader(data: bytes, kind: str) -> None:
    for packed in (
        data,
        b"\x30" + data,
        bytes.fromhex("30820122300d06092a864886f70d01010105") + data,
    ):
        with contextlib.suppress(DkimKeyError):
            parse_key(f"v=DKIM1; k={kind}; p={base64.b64encode(packed).decode()}")


MECHANISM = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "all",
        "include:{}",
        "exists:%{{i}}.{}",
        "redirect={}",
        "a:{}/24",
        "ip4:1",
        "ip6:::/0",
        "exp={}",
        "x=%{{z}}",
        "mx:%{{d9r-}}.{}//64",
        "-all",
        "?a",
        "%",
        "a:",
        "//",
    ]
)
RECORD = st.lists(MECHANISM, max_size=8).map(" ".join)


@given(st.lists(RECORD, min_size=3, max_size=3))
def test_no_tree_of_records_breaks_evaluation_or_survey(records: list[str]) -> None:
    names = ["shop.test", "a.shop.test", "b.shop.test"]
    zone = Zone(
        {
            (name, "TXT"): ["v=spf1 " + record.format(*[names[(i + 1) % 3]] * 8)]
            for i, (name, record) in enumerate(zip(names, records, strict=True))
        }
    )
    verdict = asyncio.run(check_host(zone, "192.0.2.1", "shop.test"))
    assert verdict.result in set(SpfResult)
    assert verdict.lookups <= 11
    asyncio.run(survey(zone, "shop.test"))


def test_a_tree_of_records_that_never_ends_is_cut() -> None:
    class Endless:
        asked = 0

        async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
            self.asked += 1
            text = "v=spf1 " + " ".join(f"include:{n}.{name[-200:]}" for n in range(20))
            return Answer(name=name, kind=kind, outcome=Outcome.ANSWERS, records=(text,))

    endless = Endless()
    seen = asyncio.run(survey(endless, "shop.test"))
    assert seen.is_cut
    assert endless.asked < 100


@given(
    st.text(max_size=120),
    st.sampled_from(
        ["v=spf1 ", "v=DMARC1; ", "v=DKIM1; ", "v=BIMI1; ", "v=STSv1; ", "v=TLSRPTv1; ", ""]
    ),
)
def test_no_text_in_the_dns_breaks_an_examination(text: str, start: str) -> None:
    class Everywhere:
        async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
            records = (start + text,) if kind == "TXT" else ()
            outcome = Outcome.ANSWERS if records else Outcome.NODATA
            return Answer(name=name, kind=kind, outcome=outcome, records=records)

    found = look(Everywhere(), ips=("192.0.2.1",), selectors=("s",))
    assert all(each.observed.isprintable() for each in found)

"""Domains as they are met: every case of cases.toml against nsd and Postfix."""

from __future__ import annotations

from typing import Any

import pytest
from postmaster_servers import Examine
from postmaster_zones import cases

from mailglass.lookup import FetchOutcome, Page
from mailglass.postmaster import FINDINGS, worst

pytestmark = pytest.mark.servers


def page(url: str, text: str, media_type: str) -> Page:
    return Page(
        url=url,
        outcome=FetchOutcome.ANSWERED,
        status=200,
        headers={"content-type": media_type},
        body=text.encode(),
    )


def pages_of(case: dict[str, Any], domain: str) -> dict[str, Page]:
    pages = {}
    if "policy" in case:
        url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
        pages[url] = page(url, case["policy"], case.get("media_type", "text/plain"))
    if "logo" in case:
        url = f"https://logo.{domain}/l.svg"
        pages[url] = page(url, case["logo"], "image/svg+xml")
    return pages


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_domain_is_judged_as_its_case_says_with_a_remedy_for_what_is_not_well(
    case: dict[str, Any], doctor: Examine
) -> None:
    domain = case.get("domain", case["name"] + ".test")
    found = doctor(
        domain,
        author_domain=case.get("from", domain),
        ips=tuple(case.get("ip", ())),
        selectors=tuple(case.get("selector", ())),
        pages=pages_of(case, domain),
    )
    seen = {key: str(worst(found[key])) for key in case["expect"] if key in found}
    assert seen == case["expect"], {key: found.get(key) for key in case["expect"]}
    for key, text in case.get("says", {}).items():
        assert any(text in each.observed for each in found[key]), found[key]
    for each in (one for group in found.values() for one in group):
        assert each.id in FINDINGS
        assert each.why
        assert each.expected
        assert each.fix or each.status not in ("warn", "fail"), each

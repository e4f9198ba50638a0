"""The host of beacons and links, and the endpoint for one-click unsubscribe (RFC 8058)."""

from __future__ import annotations

from ...lookup import FetchOutcome, Page
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..organization import same_organization, suffix_organization
from .mx import address_of

__all__ = ["check_one_click", "check_tracking"]

_UNKNOWN = (FetchOutcome.TIMEOUT, FetchOutcome.DNS_FAILED, FetchOutcome.FORBIDDEN)
# A token that no key made: a tracking host answers it without unsubscribing anybody.
_NOBODY = "mailglass-doctor"


async def check_tracking(case: Case) -> list[Finding]:
    """Name, certificate and organisation of the tracking host."""
    host = case.tracking_host
    if host is None:
        return [finding("tracking.host", INFO, "none given; name it with --tracking-host")]
    found = [_organization(case, host)]
    address, answer = await address_of(case, host)
    if address is None:
        if not answer.is_known:
            return [*found, finding("tracking.host", UNKNOWN, why_unknown(answer))]
        missing = finding(
            "tracking.host",
            FAIL,
            f"{host} has no address ({answer.outcome})",
            fix="missing",
            host=host,
            collector="your-collector.example",
        )
        return [*found, missing]
    page = await case.fetcher.fetch(f"https://{host}/", limit_bytes=4096)
    alias = f" by way of {answer.aliases[-1]}" if answer.aliases else ""
    return [*found, _certificate(host, f"{host} is {address}{alias}", page)]


def _certificate(host: str, observed: str, page: Page) -> Finding:
    if page.outcome in _UNKNOWN:
        return finding("tracking.host", UNKNOWN, f"{observed}; {page.detail}")
    if page.outcome is FetchOutcome.TLS_FAILED:
        return finding(
            "tracking.host",
            FAIL,
            f"{observed}; {page.detail}",
            fix="tls",
            host=host,
            fault=page.detail,
        )
    if page.outcome is not FetchOutcome.ANSWERED:
        return finding(
            "tracking.host",
            FAIL,
            f"{observed}; {page.detail}",
            fix="unreachable",
            host=host,
            fault=page.detail,
        )
    return finding("tracking.host", OK, f"{observed}; HTTPS answers with a valid certificate")


def _organization(case: Case, host: str) -> Finding:
    observed = f"{host}, From at {case.author_domain}"
    if same_organization(host, case.author_domain):
        return finding("tracking.organization", OK, f"{observed}: one organisation")
    organization = suffix_organization(case.author_domain)
    return finding(
        "tracking.organization",
        WARN,
        f"{observed}: two organisations",
        fix="foreign",
        organization=organization,
        host=host,
    )


async def check_one_click(case: Case) -> list[Finding]:
    """Whether the unsubscribe endpoint takes a POST; the header fields are a matter of `lint`."""
    message = finding("one-click.message", INFO, "the fields stand in the message: see lint")
    if case.tracking_host is None:
        return [message]
    url = f"https://{case.tracking_host}/u/{_NOBODY}"
    page = await case.fetcher.fetch(
        url,
        method="POST",
        body=b"List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        limit_bytes=4096,
    )
    return [_endpoint(url, page), message]


def _endpoint(url: str, page: Page) -> Finding:
    if page.outcome in _UNKNOWN:
        return finding("one-click.endpoint", UNKNOWN, f"{url}: {page.detail}")
    if page.outcome is not FetchOutcome.ANSWERED or page.status >= 500 or page.status == 405:
        fault = page.detail or f"it answers {page.status} to POST"
        return finding(
            "one-click.endpoint", FAIL, f"{url}: {fault}", fix="broken", url=url, fault=fault
        )
    if 300 <= page.status < 400:
        target = page.headers.get("location", "elsewhere")
        return finding(
            "one-click.endpoint",
            FAIL,
            f"{url} redirects to {target}",
            fix="redirect",
            url=url,
            target=target,
        )
    return finding("one-click.endpoint", OK, f"{url} takes the POST (status {page.status})")

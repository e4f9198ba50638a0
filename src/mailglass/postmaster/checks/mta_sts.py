"""MTA-STS: the record and the policy it announces (RFC 8461)."""

from __future__ import annotations

import asyncio
import re

from ...lookup import FetchOutcome, Page
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..tags import TagSyntaxError, parse_tags, versioned
from .mx import mail_hosts

__all__ = ["check_mta_sts", "host_fits", "parse_policy"]

_MAX_AGE_SECONDS = 31557600  # RFC 8461 section 3.2: a year and a day's quarter
_MAX_BYTES = 65536  # RFC 8461 section 3.3 suggests 64 KB


async def check_mta_sts(case: Case) -> list[Finding]:
    """The TXT record and, when there is one, the policy file."""
    answer = await case.resolver.ask(f"_mta-sts.{case.domain}", "TXT")
    stamp = f"{case.now:%Y%m%d%H%M%S}"
    if not answer.is_known:
        return [finding("mta-sts.record", UNKNOWN, why_unknown(answer))]
    records = versioned(answer.records, "STSv1")
    if not records:
        observed = f"no record at {answer.name}"
        return [
            finding("mta-sts.record", INFO, observed, fix="missing", domain=case.domain, id=stamp)
        ]
    fault = _record_fault(records)
    if fault:
        # Several records count as none (section 3.1), so a policy would not be fetched.
        return [finding("mta-sts.record", FAIL, fault, fix="broken", domain=case.domain, id=stamp)]
    return [finding("mta-sts.record", OK, records[0]), await _policy(case)]


def _record_fault(records: tuple[str, ...]) -> str:
    if len(records) > 1:
        return f"{len(records)} records; senders then use none"
    try:
        policy_id = parse_tags(records[0]).get("id", "")
    except TagSyntaxError as error:
        return str(error)
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", policy_id):
        return f"id={policy_id} is not 1 to 32 letters and digits"
    return ""


async def _policy(case: Case) -> Finding:
    url = f"https://mta-sts.{case.domain}/.well-known/mta-sts.txt"
    page, (hosts, known) = await asyncio.gather(
        case.fetcher.fetch(url, limit_bytes=_MAX_BYTES), mail_hosts(case)
    )
    if page.outcome in (FetchOutcome.TIMEOUT, FetchOutcome.DNS_FAILED, FetchOutcome.FORBIDDEN):
        return finding("mta-sts.policy", UNKNOWN, f"{url}: {page.detail}")
    fault = _page_fault(page)
    if fault:
        return finding(
            "mta-sts.policy", FAIL, f"{url}: {fault}", fix="unreachable", url=url, fault=fault
        )
    policy, fault = parse_policy(page.body)
    if fault:
        return finding("mta-sts.policy", FAIL, fault, fix="broken", url=url, fault=fault)
    return _judge(url, policy, hosts, known)


def _judge(url: str, policy: dict[str, list[str]], hosts: tuple[str, ...], known: bool) -> Finding:
    mode, patterns = policy["mode"][0], policy.get("mx", [])
    observed = f"mode {mode}, mx {', '.join(patterns) or 'none'}"
    left_out = [host for host in hosts if not any(host_fits(host, each) for each in patterns)]
    if mode != "none" and left_out:
        lines = ", ".join(f"mx: {host}" for host in left_out)
        status = FAIL if mode == "enforce" else WARN
        observed += f"; not covered: {', '.join(left_out)}"
        return finding("mta-sts.policy", status, observed, fix="hosts", url=url, lines=lines)
    if mode != "enforce":
        return finding("mta-sts.policy", INFO, observed, fix="mode", url=url)
    if not known:
        return finding("mta-sts.policy", UNKNOWN, f"{observed}; the MX hosts are not known")
    return finding("mta-sts.policy", OK, observed)


def _page_fault(page: Page) -> str:
    if page.outcome is not FetchOutcome.ANSWERED:
        return f"{page.outcome}: {page.detail}"
    if page.status != 200:
        moved = " (redirects must not be followed)" if 300 <= page.status < 400 else ""
        return f"status {page.status}{moved}"
    kind = page.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        return f"the media type is {kind or 'missing'} instead of text/plain"
    return f"the policy is longer than {_MAX_BYTES} bytes" if page.truncated else ""


def parse_policy(body: bytes) -> tuple[dict[str, list[str]], str]:
    """The fields of a policy file, and what is wrong with it (empty when nothing is)."""
    policy: dict[str, list[str]] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if not colon and line.strip():
            return policy, f"{line.strip()[:40]!r} is no line of a policy"
        if colon:
            policy.setdefault(name.strip(), []).append(value.strip().lower())
    if policy.get("version") != ["stsv1"]:
        return policy, "version: STSv1 is missing"
    if policy.get("mode", [""])[0] not in ("enforce", "testing", "none"):
        return policy, "mode must be enforce, testing or none"
    age = policy.get("max_age", [""])[0]
    if not re.fullmatch(r"[0-9]{1,10}", age) or int(age) > _MAX_AGE_SECONDS:
        return policy, f"max_age must be 0 to {_MAX_AGE_SECONDS} seconds"
    if policy["mode"][0] != "none" and "mx" not in policy:
        return policy, "there is no mx: line"
    return policy, ""


def host_fits(host: str, pattern: str) -> bool:
    """Whether a pattern covers an MX host: equal, or `*.` for exactly one label (4.1)."""
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    return host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])

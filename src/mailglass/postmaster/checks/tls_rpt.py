"""TLS-RPT: where reports on failed TLS go (RFC 8460)."""

from __future__ import annotations

from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, Case, why_unknown
from ..findings import finding
from ..tags import TagSyntaxError, parse_tags, versioned

__all__ = ["check_tls_rpt"]


async def check_tls_rpt(case: Case) -> list[Finding]:
    """The record at _smtp._tls."""
    answer = await case.resolver.ask(f"_smtp._tls.{case.domain}", "TXT")
    if not answer.is_known:
        return [finding("tls-rpt.record", UNKNOWN, why_unknown(answer))]
    records = versioned(answer.records, "TLSRPTv1")
    if not records:
        observed = f"no record at {answer.name}"
        return [finding("tls-rpt.record", INFO, observed, fix="missing", domain=case.domain)]
    fault = _fault(records)
    if fault:
        return [
            finding("tls-rpt.record", FAIL, fault, fix="broken", domain=case.domain, fault=fault)
        ]
    return [finding("tls-rpt.record", OK, records[0])]


def _fault(records: tuple[str, ...]) -> str:
    if len(records) > 1:
        return f"{len(records)} records; senders then use none"
    try:
        rua = parse_tags(records[0]).get("rua", "")
    except TagSyntaxError as error:
        return str(error)
    wrong = [
        uri for uri in rua.split(",") if not uri.strip().lower().startswith(("mailto:", "https:"))
    ]
    return f"rua={rua} is neither mailto: nor https:" if wrong else ""

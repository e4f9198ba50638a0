"""DANE for SMTP: TLSA records of the MX hosts against their certificates (RFC 7672)."""

from __future__ import annotations

import asyncio

from ...lookup import Answer
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..certificates import spki_sha256, tlsa_data
from ..findings import finding
from .mx import address_of, mail_hosts, talk_to

__all__ = ["check_dane"]

_MAX_HOSTS = 4


async def check_dane(case: Case) -> list[Finding]:
    """The TLSA records of each MX host; INFO when there are none."""
    hosts, known = await mail_hosts(case)
    if not known:
        return [finding("dane.tlsa", UNKNOWN, "the MX hosts are not known")]
    found = await asyncio.gather(*(_host(case, host) for host in hosts[:_MAX_HOSTS]))
    present = [each for each in found if each]
    if present or not hosts:
        return present
    return [finding("dane.tlsa", INFO, "no TLSA records at the MX hosts")]


async def _host(case: Case, host: str) -> Finding | None:
    # The record is that of port 25, wherever we reach the host (RFC 7672 section 2.2).
    answer = await case.resolver.ask(f"_25._tcp.{host}", "TLSA")
    if not answer.is_known:
        return finding("dane.tlsa", UNKNOWN, why_unknown(answer))
    if not answer.records:
        return None
    if not answer.authenticated:
        observed = f"{answer.name} has TLSA records, but the answer is not signed or not validated"
        return finding("dane.tlsa", WARN, observed, fix="unsigned", host=host)
    address, _ = await address_of(case, host)
    talk = await talk_to(case, host, address) if address else None
    if talk is None or talk.tls is None:
        return finding("dane.tlsa", UNKNOWN, f"{host} showed no certificate to compare with")
    return _compare(host, answer, talk.tls.certificate)


def _compare(host: str, answer: Answer, certificate: bytes) -> Finding:
    digest = spki_sha256(certificate)
    usages = set()
    for record in answer.records:
        usage, selector, matching, data = _fields(record)
        usages.add(usage)
        if usage == 3 and tlsa_data(certificate, selector, matching) == data:
            return finding("dane.tlsa", OK, f"{host}: TLSA {record[:24]}... matches")
    if not usages & {2, 3}:
        # RFC 7672 section 3.1.3: usages 0 and 1 are not for SMTP.
        return finding(
            "dane.tlsa",
            FAIL,
            f"{host}: only records of usage 0 or 1",
            fix="unusable",
            port=25,
            host=host,
            digest=digest,
        )
    if 2 in usages:
        observed = f"{host}: a record of usage 2 needs the whole chain, which was not examined"
        return finding("dane.tlsa", UNKNOWN, observed)
    return finding(
        "dane.tlsa",
        FAIL,
        f"{host}: no TLSA record matches the certificate in use",
        fix="mismatch",
        port=25,
        host=host,
        digest=digest,
    )


def _fields(record: str) -> tuple[int, int, int, str]:
    usage, selector, matching, data = record.split(" ", 3)
    return int(usage), int(selector), int(matching), data.replace(" ", "").lower()

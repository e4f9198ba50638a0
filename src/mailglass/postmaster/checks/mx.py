"""MX records, the hosts behind them, and what these answer (RFC 5321 section 5.1)."""

from __future__ import annotations

import asyncio
import ipaddress

from ...lookup import Answer
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN, Case, why_unknown
from ..certificates import summarise
from ..dialogue import Conversation, Step, converse
from ..findings import finding

__all__ = ["address_of", "check_mx", "mail_hosts", "talk_to"]

_MAX_HOSTS = 4  # the first few by preference: a domain may name fifty


def _exchangers(answer: Answer) -> list[tuple[int, str]]:
    pairs = (record.split(" ", 1) for record in answer.records)
    return sorted((int(preference), host.strip(".")) for preference, host in pairs)


async def mail_hosts(case: Case) -> tuple[tuple[str, ...], bool]:
    """The MX hosts by preference, and whether the DNS answered; the domain itself without MX."""
    answer = await case.resolver.ask(case.domain, "MX")
    hosts = tuple(host for _, host in _exchangers(answer) if host)
    if answer.records or not answer.is_known:
        return hosts, answer.is_known
    address, _ = await address_of(case, case.domain)
    return ((case.domain,) if address else ()), True


async def check_mx(case: Case) -> list[Finding]:
    """The records, the hosts and their SMTP."""
    answer = await case.resolver.ask(case.domain, "MX")
    record = await _record(case, answer)
    hosts, _ = await mail_hosts(case)
    found = await asyncio.gather(*(_host(case, host) for host in hosts[:_MAX_HOSTS]))
    return [record, *(each for group in found for each in group)]


async def _record(case: Case, answer: Answer) -> Finding:
    if not answer.is_known:
        return finding("mx.record", UNKNOWN, why_unknown(answer))
    exchangers = _exchangers(answer)
    if any(not host for _, host in exchangers):
        if len(exchangers) > 1:
            return finding("mx.record", FAIL, "a null MX beside others", fix="mixed")
        return finding("mx.record", FAIL, "a null MX (RFC 7505)", fix="null")
    if exchangers:
        return finding("mx.record", OK, ", ".join(f"{p} {host}" for p, host in exchangers))
    address, addresses = await address_of(case, case.domain)
    if address:
        observed = f"no MX; mail goes to the address of {case.domain} itself"
        return finding("mx.record", WARN, observed, fix="missing", domain=case.domain)
    if not addresses.is_known:
        return finding("mx.record", UNKNOWN, why_unknown(addresses))
    observed = f"no MX and no address at {case.domain}"
    return finding("mx.record", FAIL, observed, fix="missing", domain=case.domain)


async def address_of(case: Case, host: str) -> tuple[str | None, Answer]:
    """The first address of a host, IPv4 before IPv6, and the answer that decided."""
    four, six = await asyncio.gather(case.resolver.ask(host, "A"), case.resolver.ask(host, "AAAA"))
    for answer in (four, six):
        if answer.records:
            return answer.records[0], answer
    return None, four if not four.is_known else six


async def _host(case: Case, host: str) -> list[Finding]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [
            finding(
                "mx.hosts",
                FAIL,
                f"the MX record holds the address {host}",
                fix="literal",
                host=host,
            )
        ]
    address, answer = await address_of(case, host)
    if address is None:
        if not answer.is_known:
            return [finding("mx.hosts", UNKNOWN, why_unknown(answer))]
        return [
            finding(
                "mx.hosts",
                FAIL,
                f"{host} has no address ({answer.outcome})",
                fix="missing",
                host=host,
            )
        ]
    return [_place(host, address, answer), *_answers(case, await talk_to(case, host, address))]


def _place(host: str, address: str, answer: Answer) -> Finding:
    if answer.aliases:
        target = answer.aliases[-1]
        return finding(
            "mx.hosts",
            FAIL,
            f"{host} is an alias of {target}",
            fix="alias",
            host=host,
            target=target,
        )
    if not ipaddress.ip_address(address).is_global:
        return finding(
            "mx.hosts",
            WARN,
            f"{host} has the private address {address}",
            fix="private",
            host=host,
            address=address,
        )
    return finding("mx.hosts", OK, f"{host} is {address}")


async def talk_to(case: Case, host: str, address: str) -> Conversation:
    """Greet one MX host, without naming sender or recipient."""
    return await converse(case.dialler, host, address, case.smtp_port, helo=case.helo)


def _answers(case: Case, talk: Conversation) -> list[Finding]:
    where = f"{talk.host} [{talk.address}]:{talk.port}"
    if Step.CONNECT not in talk.passed:
        if talk.reason == "refused":
            return [
                finding(
                    "mx.answers",
                    FAIL,
                    f"{where} refuses connections",
                    fix="refused",
                    host=talk.host,
                    port=talk.port,
                )
            ]
        observed = f"{where}: {talk.detail}; port 25 may be closed on the way out from here"
        return [finding("mx.answers", UNKNOWN, observed)]
    if Step.EHLO not in talk.passed:
        status = UNKNOWN if talk.reason == "timeout" else FAIL
        observed = f"{where} fails at {talk.failed}: {talk.detail}"
        return [
            finding("mx.answers", status, observed, fix="broken", host=talk.host, fault=talk.detail)
        ]
    return [finding("mx.answers", OK, f"{where} answers"), _tls(case, talk)]


def _tls(case: Case, talk: Conversation) -> Finding:
    if talk.tls is None:
        if talk.failed is Step.STARTTLS:
            status = UNKNOWN if talk.reason == "timeout" else FAIL
            return finding(
                "mx.starttls",
                status,
                f"{talk.host}: {talk.detail}",
                fix="certificate",
                host=talk.host,
                fault=talk.detail,
            )
        return finding(
            "mx.starttls",
            WARN,
            f"{talk.host} does not offer STARTTLS",
            fix="missing",
            host=talk.host,
        )
    summary = summarise(talk.tls.certificate)
    until = f", certificate of {summary.issuer} to {summary.expires_at:%Y-%m-%d}" if summary else ""
    observed = f"{talk.host}: {talk.tls.version}{until}"
    if talk.tls.version in ("TLSv1", "TLSv1.1"):
        return finding("mx.starttls", WARN, observed, fix="old", host=talk.host)
    if talk.certificate_fault:
        # Senders deliver all the same unless MTA-STS or DANE tells them not to.
        return finding(
            "mx.starttls",
            INFO,
            f"{observed}; {talk.certificate_fault}",
            fix="certificate",
            host=talk.host,
            fault=talk.certificate_fault,
        )
    return finding("mx.starttls", OK, observed)

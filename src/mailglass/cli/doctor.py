"""`mailglass doctor`: a domain as receivers see it."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from datetime import UTC, datetime

import click

from ..errors import InputError
from ..lookup import domain_name, network, own_name
from ..model import Finding
from ..postmaster import ZONES, Case, examine, own_zone, sentences
from ._findings import exit_status, finding_rows, print_findings, print_json, told
from ._language import language_option, speech

__all__ = ["command"]


def _addresses(ips: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(ip)) for ip in ips)
    except ValueError as error:
        raise InputError(f"--ip: {error}; write an address such as 192.0.2.25") from error


def _domain(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return domain_name(text)
    raise InputError(f"{address} is an address; write the domain that sends, and --ip {address}")


def _author_domain(author: str | None, domain: str) -> str:
    return domain_name(author.strip("<> ").rpartition("@")[2]) if author else domain


@click.command("doctor")
@click.argument("domain")
@click.option("--ip", "ips", multiple=True, metavar="IP", help="An address that sends your mail.")
@click.option("--selector", "selectors", multiple=True, help="A DKIM selector in use.")
@click.option(
    "--from", "author", metavar="ADDRESS", help="The From address, when its domain differs."
)
@click.option("--tracking-host", metavar="HOST", help="The host of beacons, links and unsubscribe.")
@click.option("--resolver", "server", metavar="HOST:PORT", help="Ask this DNS server alone.")
@click.option(
    "--rbl", "lists", multiple=True, metavar="ZONE", help="A further list; domain:ZONE for domains."
)
@click.option("--smtp-port", default=25, show_default=True, help="Where the MX hosts answer.")
@click.option("--brief", is_flag=True, help="Leave out what is well.")
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    domain: str,
    ips: tuple[str, ...],
    selectors: tuple[str, ...],
    author: str | None,
    tracking_host: str | None,
    server: str | None,
    lists: tuple[str, ...],
    smtp_port: int,
    brief: bool,
    tag: str | None,
    as_json: bool,
) -> None:
    """Examine DOMAIN, the domain of MAIL FROM, as receivers do.

    Exit status: 0 all well, 1 a warning, 2 a failure, 3 nothing bad but something unknown.
    """
    plain = _domain(domain)
    spoken = speech(tag, sentences(), as_json=as_json)

    async def run() -> list[Finding]:
        async with network(server) as net:
            return await examine(
                Case(
                    domain=plain,
                    author_domain=_author_domain(author, plain),
                    ips=_addresses(ips),
                    selectors=selectors,
                    tracking_host=domain_name(tracking_host) if tracking_host else None,
                    resolver=net.resolver,
                    fetcher=net.fetcher,
                    dialler=net.dialler,
                    servers=net.servers,
                    zones=(*ZONES, *map(own_zone, lists)),
                    helo=own_name(),
                    smtp_port=smtp_port,
                    now=datetime.now(UTC),
                )
            )

    if not as_json:
        click.echo(f"asking about {plain} ...", err=True)
    findings = told(asyncio.run(run()), spoken)
    if as_json:
        print_json({"domain": plain, "findings": finding_rows(findings)})
    else:
        print_findings(findings, brief=brief, spoken=spoken)
    sys.exit(exit_status(findings))

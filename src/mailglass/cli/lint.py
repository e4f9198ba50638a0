"""`mailglass lint`: one message against each provider's rules, before it goes."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from dataclasses import asdict, replace
from typing import BinaryIO

import click

from ..errors import InputError
from ..lookup import Network, ask_rspamd, ask_spamassassin, network
from ..mime import walk
from ..postmaster import FilterScore, Forecast, LintReport, lint, sentences
from ..replies import sentences as reply_sentences
from ._findings import exit_status, finding_rows, print_findings, print_json, told
from ._language import Speech, language_option, speech

__all__ = ["command"]

_RSPAMD = "http://127.0.0.1:11333"  # the normal worker's default port


@click.command("lint")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--marketing/--transactional",
    "is_marketing",
    default=None,
    help="What kind of mail it is; by default as its header says.",
)
@click.option("--return-path", metavar="ADDRESS", help="The MAIL FROM to be used.")
@click.option("--ip", metavar="IP", help="The address that will send it.")
@click.option("--resolver", "server", metavar="HOST:PORT", help="Ask this DNS server alone.")
@click.option("--offline", is_flag=True, help="Ask no DNS; what needs it is unknown.")
@click.option("--rspamd", default=_RSPAMD, show_default=True, metavar="URL")
@click.option("--no-filters", is_flag=True, help="Ask neither SpamAssassin nor rspamd.")
@click.option("--brief", is_flag=True, help="Leave out what is well.")
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    file: BinaryIO,
    is_marketing: bool | None,
    return_path: str | None,
    ip: str | None,
    server: str | None,
    offline: bool,
    rspamd: str,
    no_filters: bool,
    brief: bool,
    tag: str | None,
    as_json: bool,
) -> None:
    """Check FILE, a message as it leaves (- for standard input).

    Exit status: 0 all well, 1 a warning, 2 a failure, 3 nothing bad but something unknown.
    """
    if ip is not None:
        ip = _address(ip)
    raw = file.read()
    walk(raw)  # what is no message is refused before anybody is asked about it

    async def run() -> LintReport:
        async with network(server) as net:
            scores = [] if no_filters else await _scores(raw, net, rspamd)
            return await lint(
                raw,
                resolver=None if offline else net.resolver,
                is_marketing=is_marketing,
                return_path=return_path.strip("<>") if return_path is not None else None,
                ip=ip,
                scores=scores,
            )

    report = asyncio.run(run())
    spoken = speech(tag, (*sentences(), *reply_sentences()), as_json=as_json)
    findings = told(report.findings, spoken)
    forecasts = [_told(each, spoken) for each in report.forecasts]
    if as_json:
        print_json(
            {
                "is_marketing": report.is_marketing,
                "findings": finding_rows(findings),
                "providers": [asdict(each) for each in forecasts],
            }
        )
    else:
        print_findings(findings, brief=brief, spoken=spoken)
        click.echo("\n" + spoken.say("What the providers will probably say (reputation aside):"))
        for each in forecasts:
            click.echo(f"  {each.provider:<8} {each.outcome:<8} {each.sentence}")
    sys.exit(exit_status(findings))


def _told(forecast: Forecast, spoken: Speech) -> Forecast:
    reasons = tuple(
        replace(reason, meaning=spoken.tell(reason.meaning)) for reason in forecast.reasons
    )
    return replace(forecast, reasons=reasons, sentence=spoken.tell(forecast.sentence))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InputError(f"--ip: {error}; write an address such as 192.0.2.25") from error


async def _scores(raw: bytes, net: Network, rspamd: str) -> list[FilterScore]:
    both = await asyncio.gather(ask_spamassassin(raw), ask_rspamd(raw, net.fetcher, rspamd))
    return list(both)

"""`mailglass connect`: walk a delivery up to RCPT and say where it fails."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

import click

from ..errors import InputError
from ..lookup import domain_name, network, own_name
from ..postmaster import ConnectionReport, try_connection
from ._findings import print_json

__all__ = ["command"]

_SECONDS = 30.0  # for each step; RFC 5321 section 4.5.3.2 allows minutes, a person waits less


@click.command("connect")
@click.argument("target")
@click.option(
    "--to", "recipient", metavar="ADDRESS", help="Also name this recipient, who must be real."
)
@click.option("--from", "mail_from", metavar="ADDRESS", help="The MAIL FROM to use.")
@click.option("--helo", help="The name to greet with; by default this machine's.")
@click.option("--port", default=25, show_default=True)
@click.option("--resolver", "server", metavar="HOST:PORT", help="Ask this DNS server alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    target: str,
    recipient: str | None,
    mail_from: str | None,
    helo: str | None,
    port: int,
    server: str | None,
    as_json: bool,
) -> None:
    """Speak SMTP to the MX of TARGET, a domain, an address's domain, or [host].

    No message is sent. Providers count questions about invented addresses as an attack: name only
    a recipient who expects your mail.
    """
    for address in (recipient, mail_from):
        if address and (set(address) & set("<>\r\n ") or not address.isprintable()):
            raise InputError(f"{address!r} is no address; write it as name@example.org")
    place = target if target.startswith("[") else domain_name(target.rpartition("@")[2])

    async def run() -> ConnectionReport:
        async with network(server, smtp_seconds=_SECONDS) as net:
            return await try_connection(
                net.resolver,
                net.dialler,
                place,
                helo=helo or own_name(),
                port=port,
                mail_from=mail_from,
                recipient=recipient,
            )

    report = asyncio.run(run())
    if as_json:
        print_json(_document(report))
    else:
        _print(report)
    sys.exit(0 if report.failed is None else 3 if report.is_unknown else 2)


def _document(report: ConnectionReport) -> dict[str, object]:
    failed = report.failed
    sessions = [talk.tls for talk in report.conversations if talk.tls]
    return {
        "target": report.target,
        "steps": [asdict(step) for step in report.steps],
        "failed_step": failed.step if failed else None,
        "reason": failed.detail if failed else None,
        "tls": {"version": sessions[-1].version, "cipher": sessions[-1].cipher}
        if sessions
        else None,
        "certificate": asdict(report.certificate) if report.certificate else None,
        "certificate_fault": next(
            (talk.certificate_fault for talk in report.conversations if talk.certificate_fault), ""
        ),
        "transcript": [line for talk in report.conversations for line in talk.transcript],
    }


def _print(report: ConnectionReport) -> None:
    for talk in report.conversations:
        for line in talk.transcript:
            click.echo(f"  {line}")
    click.echo()
    for step in report.steps:
        mark = click.style("ok  ", fg="green") if step.passed else click.style("FAIL", fg="red")
        click.echo(f"{mark} {step.step:<9} {step.detail}")
    if report.certificate:
        summary = report.certificate
        names = ", ".join(summary.names[:5])
        click.echo(f"certificate for {names or summary.subject}, by {summary.issuer}")
        click.echo(f"            valid until {summary.expires_at:%Y-%m-%d}")

"""`mailglass leak-test`: which ways of calling home one's own mail program lets through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiosmtplib
import click

from ..errors import ConfigurationError, InputError, RetryLater
from ..gateway.leak_collector import LeakCollector
from ..guard.leak_test import OPENED, leak_message, leak_names, leak_report
from ._addresses import ADDRESS
from ._cleaning import endpoint, listening
from ._files import write_file


@click.command("leak-test")
@click.option("--to", "recipient", required=True, type=ADDRESS, help="Your own address.")
@click.option("--from", "author", type=ADDRESS, help="The author; your own address if absent.")
@click.option("--listen", default="127.0.0.1:8099", show_default=True, metavar="HOST:PORT")
@click.option("--base-url", metavar="URL", help="How your mail program reaches it.")
@click.option("--smtp", default="127.0.0.1:25", show_default=True, metavar="HOST:PORT")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write the mail, send none; listen all the same.",
)
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Seconds to listen; Ctrl-C ends it sooner.",
)
def command(
    recipient: str,
    author: str | None,
    listen: str,
    base_url: str | None,
    smtp: str,
    output: Path | None,
    wait_seconds: int,
) -> None:
    """Send one mail that uses each loader, listen, and say which ones were let through.

    Open the mail while this runs, and press its link "I have opened it now": without it, what is
    blocked looks like a mail that nobody opened. Ends early on Ctrl-C, with the report. With -o the
    mail is yours to bring into your mail program, and the command waits for it to be opened there.
    """
    place = endpoint(listen, "--listen")
    endpoint(smtp, "--smtp")
    if base_url is None and place[0] in ("0.0.0.0", "::"):
        raise ConfigurationError(
            f"--listen {listen} can be asked by no mail program: add --base-url, such as"
            f" http://my-machine:{place[1]}"
        )
    url = base_url or f"http://{listen}"
    try:
        message = leak_message(url, author or recipient, recipient)
    except ValueError as error:
        raise InputError(f"--base-url: {error}") from error
    asked: list[str] = []
    try:
        asyncio.run(_run(message, author or recipient, recipient, place, smtp, output,
                         wait_seconds, asked))  # fmt: skip
    except KeyboardInterrupt:
        click.echo("")
    click.echo("\n".join(leak_report(asked)))


async def _run(
    message: bytes,
    author: str,
    recipient: str,
    place: tuple[str, int],
    smtp: str,
    output: Path | None,
    wait_seconds: int,
    asked: list[str],
) -> None:
    collector = LeakCollector(set(leak_names()), OPENED, lambda name: _told(asked, name))
    listen = "{}:{}".format(*place)
    with listening(listen):
        await collector.start(*place)
    try:
        if output is not None:
            write_file(output, [message])
            what = f"{output} is written; bring it into your mail program, open it there"
        else:
            await _send(message, author, recipient, smtp)
            what = f"the mail is on its way to {recipient}; open it"
        click.echo(f"{what} and press its link", err=True)
        click.echo(f"listening on {listen} for {wait_seconds} s; Ctrl-C ends it", err=True)
        await asyncio.sleep(wait_seconds)
    finally:
        await collector.stop()


def _told(asked: list[str], name: str) -> None:
    asked.append(name)
    click.echo("opened: its link was pressed" if name == OPENED else f"asked: {name}", err=True)


async def _send(message: bytes, author: str, recipient: str, smtp: str) -> None:
    host, port = endpoint(smtp, "--smtp")
    try:
        await aiosmtplib.send(
            message, sender=author, recipients=[recipient], hostname=host, port=port
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        raise RetryLater(f"{smtp} did not take the test mail: {error}") from error

"""`mailglass mailbox-test`: send to seed mailboxes and see where it arrives."""

from __future__ import annotations

import asyncio
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click

from ..errors import ConfigurationError
from ..lookup import ImapMailbox, Submission
from ..postmaster import Placement, Seed, Where, place
from ._findings import print_json

__all__ = ["command"]

_SECURITIES = ("tls", "starttls", "none")


@click.command("mailbox-test")
@click.argument("seeds", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--message", type=click.File("rb"), help="The message to send; else a short one.")
@click.option("--wait", "wait_seconds", default=300.0, show_default=True, metavar="SECONDS")
@click.option("--every", "pause_seconds", default=10.0, show_default=True, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    seeds: Path,
    message: BinaryIO | None,
    wait_seconds: float,
    pause_seconds: float,
    as_json: bool,
) -> None:
    """Send one mail to each mailbox of SEEDS, a TOML file, and tell where it arrived.

    Exit status: 0 all in the inbox, 1 some in the spam folder, 2 some missing or refused, 3 some
    mailboxes could not be looked into.
    """
    sender, submission, mailboxes = _read(seeds)
    if not as_json:
        click.echo(f"sending to {len(mailboxes)} mailboxes, waiting {wait_seconds:g} s", err=True)
    placements = asyncio.run(
        place(
            mailboxes,
            submission.send,
            sender=sender,
            raw=message.read() if message else None,
            now=datetime.now(UTC),
            clock=time.monotonic,
            wait_seconds=wait_seconds,
            pause_seconds=pause_seconds,
        )
    )
    if as_json:
        print_json({"placements": [asdict(each) for each in placements]})
    else:
        _print(placements)
    sys.exit(_status(placements))


def _read(path: Path) -> tuple[str, Submission, list[Seed]]:
    """The sender, the submission server and the seeds; raises ConfigurationError."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        submission = told["submission"]
        sender = str(submission["from"])
        seeds = [
            Seed(
                provider=str(row.get("provider", row["address"].rpartition("@")[2])),
                address=str(row["address"]),
                mailbox=ImapMailbox(
                    **_account(row, path, 993, "tls"),
                    inbox=str(row.get("inbox", "INBOX")),
                    spam=tuple(row.get("spam", ())),
                ),
            )
            for row in told["seed"]
        ]
        server = Submission(**_account(submission, path, 587, "starttls"))
    except KeyError as error:
        raise ConfigurationError(f"{path}: {error} is missing") from error
    except (tomllib.TOMLDecodeError, OSError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return sender, server, seeds


def _account(row: Mapping[str, Any], path: Path, port: int, security: str) -> dict[str, Any]:
    chosen = row.get("security", security)
    if chosen not in _SECURITIES:
        raise ValueError(f"security = {chosen!r} must be one of {', '.join(_SECURITIES)}")
    account = {
        "host": row["host"],
        "port": int(row.get("port", port)),
        "security": chosen,
        "user": str(row.get("user", row.get("address", ""))),
        "certificates": row.get("certificates"),
    }
    # A password stands in a file of its own, so that the list of seeds can be shown around.
    if "password_file" in row:
        account["password"] = (path.parent / row["password_file"]).read_text("utf-8").strip()
    return account


def _print(placements: list[Placement]) -> None:
    colours = {Where.INBOX: "green", Where.SPAM: "yellow", Where.UNKNOWN: "magenta"}
    for each in placements:
        where = click.style(f"{each.where:<8}", fg=colours.get(each.where, "red"))
        delay = f"{each.delay_seconds:.0f} s" if each.delay_seconds is not None else "-"
        seen = ", ".join(each.authentication) or each.detail
        click.echo(f"{where} {each.provider:<10} {each.address:<32} {delay:>6}  {seen}")


def _status(placements: list[Placement]) -> int:
    seen = {each.where for each in placements}
    if seen & {Where.MISSING, Where.REFUSED}:
        return 2
    return 1 if Where.SPAM in seen else 3 if Where.UNKNOWN in seen else 0

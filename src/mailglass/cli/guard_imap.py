"""`mailglass guard-imap`: cleans a folder of a mailbox, and can put the originals back."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError, RetryLater
from ..gateway.cleaning import Cleaner
from ..gateway.guard_mailbox import Account, Done, GuardedFolder
from ..guard import Clean
from ..lookup import tls_context
from ._cleaning import CleaningOptions, cleaner, cleaning_options, host_name

_log = logging.getLogger("mailglass.guard")

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 300.0


@click.command("guard-imap")
@click.option("--host", required=True)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="993, or 143 without TLS from the first byte."
)
@click.option(
    "--security", type=click.Choice(["tls", "starttls", "none"]), default="tls", show_default=True
)
@click.option("--user", required=True)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Else the variable MAILGLASS_IMAP_PASSWORD.",
)
@click.option("--folder", default="INBOX", show_default=True, help="The folder to clean.")
@click.option(
    "--originals", default="Originals", show_default=True, help="The folder for the originals."
)
@click.option(
    "--certificates",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file of authorities.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes (IDLE), until stopped.")
@click.option("--put-back", is_flag=True, help="Put the originals back and keep them so.")
@click.option("--message-id", metavar="ID", help="With --put-back: of this message alone.")
@cleaning_options
def command(
    host: str,
    port: int | None,
    security: Any,
    user: str,
    password_file: Path | None,
    folder: str,
    originals: str,
    certificates: Path | None,
    follow: bool,
    put_back: bool,
    message_id: str | None,
    **options: Any,
) -> None:
    """Clean a folder over IMAP: clean copies stay there, the originals move to another folder.

    Nothing is lost when it breaks off anywhere: run it again and it goes on. A message that was put
    back, or to which you gave the keyword MailglassKeep, is left as it is. Exit status 1 when a
    message could not be handled, 75 when the server cannot be used.
    """
    if message_id is not None and not put_back:
        raise click.UsageError("--message-id goes with --put-back")
    if follow and put_back:
        raise click.UsageError("--follow cleans, --put-back undoes; choose one")
    _check_words(user=user, folder=folder, originals=originals, message_id=message_id)
    if folder == originals:
        raise ConfigurationError("--originals: it is the --folder that is cleaned; name another")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    account = Account(
        host=host_name(host, "--host"),
        port=port or (993 if security == "tls" else 143),
        security=security,
        user=user,
        password=_password(password_file),
        folder=folder,
        originals=originals,
        certificates=_authorities(certificates),
    )
    done = asyncio.run(_run(account, CleaningOptions(**options), follow, put_back, message_id))
    if not follow:
        what = "put back" if put_back else "cleaned"
        click.echo(f"looked at {done.seen}, {what} {done.changed}, failed {done.failed}")
    if done.failed:
        sys.exit(1)


def _check_words(**words: str | None) -> None:
    """Raises ConfigurationError for an empty one, which would mean every message or no folder, and
    for one with control characters, which no server takes.
    """
    for name, word in words.items():
        if word is not None and (not word.strip() or not word.isprintable()):
            raise ConfigurationError(f"--{name.replace('_', '-')} {word!r}: write what it names")


def _authorities(file: Path | None) -> str | None:
    """The file's name, once it is known to hold certificates; raises ConfigurationError."""
    if file is None:
        return None
    try:
        tls_context(str(file), True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--certificates {file}: no certificates: {error}") from error
    return str(file)


def _password(file: Path | None) -> str:
    try:
        password = (
            file.read_text().strip() if file else os.environ.get("MAILGLASS_IMAP_PASSWORD", "")
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--password-file {file} cannot be read: {error}") from error
    if not password:
        raise ConfigurationError(
            "there is no password: name a --password-file, or set MAILGLASS_IMAP_PASSWORD"
        )
    return password


async def _run(
    account: Account,
    options: CleaningOptions,
    follow: bool,
    put_back: bool,
    message_id: str | None,
) -> Done:
    async with cleaner(options, is_border=False) as cleans:
        folder = GuardedFolder(account, _from_thread(cleans, account.user))
        if put_back:
            return await asyncio.to_thread(folder.put_back, message_id)
        if not follow:
            return await asyncio.to_thread(folder.clean_once)
        stopping = threading.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await asyncio.to_thread(_follow, folder, stopping)
        return Done()


def _from_thread(cleans: Cleaner, user: str) -> Any:
    """The cleaner as a function that blocks, for the thread that speaks IMAP."""
    loop = asyncio.get_running_loop()
    recipients = (user,) if "@" in user else ()

    def clean(raw: bytes, fields: tuple[str, ...]) -> Clean | None:
        return asyncio.run_coroutine_threadsafe(
            cleans.clean(raw, recipients, fields), loop
        ).result()

    return clean


def _follow(folder: GuardedFolder, stopping: threading.Event) -> None:
    """Come back whenever the server went away, after longer and longer waits."""
    wait_seconds = _FIRST_WAIT_SECONDS
    while not stopping.is_set():
        began = time.monotonic()
        try:
            folder.follow(stopping)
        except RetryLater as error:
            if time.monotonic() - began > _LONGEST_WAIT_SECONDS:
                wait_seconds = _FIRST_WAIT_SECONDS
            _log.warning("%s; trying again in %g s", error, wait_seconds)
            stopping.wait(wait_seconds)
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)

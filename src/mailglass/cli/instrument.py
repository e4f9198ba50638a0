"""`mailglass instrument`: add beacon and tracked links to messages, without sending them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from ..errors import ConfigurationError, NotAMessage
from ..instrument import (
    Options,
    attachment_digest,
    compile_message,
    untouched,
    write_plan,
)
from ..tokens import Ring

__all__ = ["command"]

_DEFAULT_BASE = "https://track.example.com"  # reserved for documents (RFC 2606): reaches nobody


@click.command("instrument")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--base-url", envvar="MAILGLASS_BASE_URL", default=_DEFAULT_BASE, help="URL of the collector."
)
@click.option(
    "--attachments",
    type=click.Choice(["keep", "link"]),
    default="keep",
    help="Leave attachments in the message, or store them and link to them.",
)
@click.option(
    "--attachment-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("mailglass-attachments"),
    show_default=True,
    help="Where linked attachments are stored, by content digest.",
)
@click.option("--opens/--no-opens", default=True, help="Add the beacon.")
@click.option("--links/--no-links", default=True, help="Track the links of HTML parts.")
@click.option("--text-links", is_flag=True, help="Track the links of text parts too.")
@click.option("--html-alternative", is_flag=True, help="Give a text-only message an HTML part.")
@click.option("--list-unsubscribe", is_flag=True, help="Add one-click unsubscribing (RFC 8058).")
@click.option("--receipt-to", metavar="ADDRESS", help="Ask for a receipt to this address.")
@click.option("--honeypot", is_flag=True, help="Add a link that no person can see.")
@click.option("--subject-label", metavar="TEXT", help="Put a label before the subject, such as AD.")
@click.option("--anonymous", is_flag=True, help="Let tokens name the message, not the recipient.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Keys in hexadecimal, one a line, oldest first; without it a fresh key is made and lost.",
)
@click.option(
    "--delivery-id",
    type=click.IntRange(0, 2**63 - 1),
    help="Number of the delivery that the tokens name; without it a random one.",
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write the plan of edits here, as JSON.",
)
@click.option("--output-dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--plan-dir", type=click.Path(path_type=Path, file_okay=False))
def command(
    files: tuple[Path, ...],
    attachment_dir: Path,
    key_file: Path | None,
    delivery_id: int | None,
    plan_file: Path | None,
    output_dir: Path | None,
    plan_dir: Path | None,
    **wishes: object,
) -> None:
    """Instrument FILE (or standard input) to standard output; many FILEs need --output-dir.

    Bytes outside the plan's edits stay as they are; `mailglass restore` takes the edits back.
    """
    options = Options(**wishes)  # type: ignore[arg-type]  # click has checked each of them
    ring = _ring(key_file)
    delivery = secrets.randbits(63) if delivery_id is None else delivery_id
    store = _Store(attachment_dir)
    if output_dir is None:
        if len(files) > 1 or plan_dir is not None:
            raise ConfigurationError("several files or --plan-dir need --output-dir")
        raw = _read(files[0] if files else Path("-"))
        template = compile_message(raw, options, ring=ring, store=store)
        if plan_file is not None:
            _write(plan_file, write_plan(template.plan(delivery, ring)))
        for piece in template.render_pieces(delivery, ring):
            sys.stdout.buffer.write(piece)
        return
    if plan_file is not None:
        raise ConfigurationError("--plan is for one message; use --plan-dir with --output-dir")
    _many(files, options, ring, delivery, store, output_dir, plan_dir)


def _many(
    files: tuple[Path, ...],
    options: Options,
    ring: Ring,
    delivery: int,
    store: _Store,
    output_dir: Path,
    plan_dir: Path | None,
) -> None:
    """Each file by itself; one that is no message is copied, named, and makes the status 65."""
    output_dir.mkdir(parents=True, exist_ok=True)
    if plan_dir is not None:
        plan_dir.mkdir(parents=True, exist_ok=True)
    refused = 0
    for number, file in enumerate(files):
        raw = _read(file)
        try:
            template = compile_message(raw, options, ring=ring, store=store)
        except NotAMessage as error:
            click.echo(f"mailglass: {file}: {error}", err=True)
            (output_dir / file.name).write_bytes(raw)
            if plan_dir is not None:
                _write(plan_dir / f"{file.name}.json", write_plan(untouched(raw, str(error))))
            refused += 1
            continue
        each = (delivery + number) & (2**63 - 1)
        _write(output_dir / file.name, template.render_pieces(each, ring))
        if plan_dir is not None:
            _write(plan_dir / f"{file.name}.json", write_plan(template.plan(each, ring)))
        if len(files) > 100 and sys.stderr.isatty():
            click.echo(f"\r{number + 1} of {len(files)}", err=True, nl=number + 1 == len(files))
    if refused:
        sys.exit(NotAMessage.exit_status)


class _Store:
    """Attachments by digest in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, content: bytes, name: str) -> str:
        digest = attachment_digest(content)
        self._directory.mkdir(parents=True, exist_ok=True)
        place = self._directory / digest
        if not place.exists():
            place.with_suffix(".part").write_bytes(content)
            place.with_suffix(".part").rename(place)
        return digest


def _ring(key_file: Path | None) -> Ring:
    if key_file is None:
        return Ring([Ring.new_key()])
    try:
        return Ring([bytes.fromhex(line) for line in key_file.read_text("ascii").split()])
    except ValueError as error:
        raise ConfigurationError(f"{key_file} holds no keys in hexadecimal: {error}") from error


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _write(file: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with file.open("wb") as out:
        out.writelines(pieces)

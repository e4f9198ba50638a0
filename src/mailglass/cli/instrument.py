"""`mailglass instrument`: add beacon and tracked links to messages, without sending them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from ..errors import ConfigurationError, Error, StorageUnavailable
from ..instrument import (
    Options,
    Template,
    compile_message,
    untouched,
    write_plan,
)
from ..journal import Attachments
from ..tokens import Ring
from ._files import (
    BrokenOutput,
    make_directory,
    read_input,
    refuse_collisions,
    write_file,
    write_output,
)

__all__ = ["command"]

_DEFAULT_BASE = "https://track.example.com"  # reserved for documents (RFC 2606): reaches nobody


@click.command("instrument")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--base-url",
    envvar="MAILGLASS_BASE_URL",
    help=f"URL of the collector; without it {_DEFAULT_BASE}, with a warning.",
)
@click.option(
    "--attachments",
    type=click.Choice(["keep", "link"]),
    default="keep",
    help="Leave attachments in the message, or store them and link to them.",
)
@click.option(
    "--attachment-dir",
    type=click.Path(path_type=Path),
    default=Path("mailglass-attachments"),
    show_default=True,
    help="Where linked attachments are stored for the collector: <data>/attachments.",
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
    type=click.Path(path_type=Path),
    help="Write the plan of edits here, as JSON.",
)
@click.option("--output-dir", type=click.Path(path_type=Path))
@click.option("--plan-dir", type=click.Path(path_type=Path))
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
    is_example = wishes["base_url"] is None
    if is_example:
        wishes["base_url"] = _DEFAULT_BASE
    options = Options(**wishes)  # type: ignore[arg-type]  # click has checked each of them
    ring = _ring(key_file)
    delivery = secrets.randbits(63) if delivery_id is None else delivery_id
    job = _Job(
        options=options,
        ring=ring,
        delivery=delivery,
        store=_Store(attachment_dir),
        is_example=is_example,
    )
    if output_dir is None:
        if len(files) > 1 or plan_dir is not None:
            raise ConfigurationError("several files or --plan-dir need --output-dir")
        _one(files[0] if files else Path("-"), job, plan_file)
        return
    if plan_file is not None:
        raise ConfigurationError("--plan is for one message; use --plan-dir with --output-dir")
    _many(files, job, output_dir, plan_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is done to each message."""

    options: Options
    ring: Ring
    delivery: int  # of the first message; the others count on
    store: _Store
    is_example: bool  # nobody named a base URL

    def warn(self) -> None:
        """Say where the links lead when nobody said it; a fault has its one line for itself."""
        if self.is_example:
            _say(f"no --base-url: links lead to {_DEFAULT_BASE}, an example")

    def compile(self, raw: bytes) -> Template:
        """The template of one message; raises as `compile_message` and the store do."""
        return compile_message(raw, self.options, ring=self.ring, store=self.store)


def _one(file: Path, job: _Job, plan_file: Path | None) -> None:
    if plan_file is not None:
        refuse_collisions([file], [(file, plan_file)])
    template = job.compile(read_input(file))
    if plan_file is not None:
        write_file(plan_file, write_plan(template.plan(job.delivery, job.ring)))
    write_output(template.render_pieces(job.delivery, job.ring))
    job.warn()


def _many(files: tuple[Path, ...], job: _Job, output_dir: Path, plan_dir: Path | None) -> None:
    """Each file by itself: one that fails is named and copied, and the highest status is ours."""
    outputs = [output_dir / file.name for file in files]
    plans = [plan_dir / f"{file.name}.json" for file in files] if plan_dir is not None else []
    refuse_collisions(files, [*zip(files, outputs, strict=True), *zip(files, plans, strict=False)])
    for directory in (output_dir, plan_dir):
        if directory is not None:
            make_directory(directory)
    status = 0
    for number, file in enumerate(files):
        try:
            raw = read_input(file)
            found = _instrument_file(raw, file, job, number, outputs[number], plans[number:])
        except Error as error:
            found = _complain(file, error)
        status = max(status, found)
        if len(files) > 100 and sys.stderr is not None and sys.stderr.isatty():
            click.echo(f"\r{number + 1} of {len(files)}", err=True, nl=number + 1 == len(files))
    job.warn()
    if status:
        sys.exit(status)


def _instrument_file(
    raw: bytes, file: Path, job: _Job, number: int, output: Path, plans: Sequence[Path]
) -> int:
    """Write one message and the first of `plans`; its exit status.

    A fault, even one of ours, must not cost the other messages: the bytes are copied as they are.
    """
    each = (job.delivery + number) & (2**63 - 1)
    status = 0
    try:
        template = job.compile(raw)
        out: Iterable[bytes | memoryview] = template.render_pieces(each, job.ring)
        plan = template.plan(each, job.ring) if plans else None
    except Exception as error:
        status = _complain(file, error)
        out, plan = [raw], untouched(raw, _line(error))
    write_file(output, out)
    if plans and plan is not None:
        write_file(plans[0], write_plan(plan))
    return status


def _complain(file: Path, error: Exception) -> int:
    """Name the file and its fault in one line; the exit status that it stands for."""
    _say(f"{file}: {_line(error)}")
    return error.exit_status if isinstance(error, Error) else Error.exit_status


def _say(text: str) -> None:
    """One line on standard error; that nobody takes it must not cost the other messages."""
    with suppress(OSError):
        click.echo(f"mailglass: {text}", err=True)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, Error) else f"{type(error).__name__}: {text}"


class _Store:
    """Attachments as the collector finds them; the directory is made when one is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, content: bytes, name: str) -> str:
        make_directory(self._directory)
        try:
            return Attachments(self._directory).add(content)
        except StorageUnavailable as error:
            raise BrokenOutput(f"{self._directory} cannot be written: {error}") from error


def _ring(key_file: Path | None) -> Ring:
    if key_file is None:
        return Ring([Ring.new_key()])
    try:
        return Ring([bytes.fromhex(line) for line in read_input(key_file).decode("ascii").split()])
    except ValueError as error:
        raise ConfigurationError(f"{key_file} holds no keys in hexadecimal: {error}") from error

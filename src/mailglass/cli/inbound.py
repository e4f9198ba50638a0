"""`mailglass inbound`: read what came back by mail."""

from __future__ import annotations

import json
import mailbox
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ..errors import InputError
from ..inbound import Record, Report, parse, read_postfix_log
from ._rows import NUMBER, print_rows, safe, stamp
from ._source import settings_of

if TYPE_CHECKING:
    from ..history import Returned

__all__ = ["command"]

_MAX_FILE_BYTES = 100 * 1024 * 1024  # no server of the world sends back more


@click.group(short_help="Read bounces, complaints, receipts and answers.")
def command() -> None:
    """Read what came back by mail: bounces, complaints, receipts and answers."""


@command.command("parse")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def parse_files(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what each of FILES is and whom it speaks of; changes nothing.

    A folder stands for all files in it. Line ends may be LF, CRLF or bare CR. Exit status 1 when a
    file could not be read.
    """
    failed = False
    for path in _files(files):
        try:
            report: Report | None = parse(_content(path))
            error = report.error if report else None
        except OSError as problem:
            report, error = None, f"cannot be read: {problem.strerror}"
            failed = True
        except Exception as problem:  # one mail must not keep the others from being read
            report, error = None, f"a fault of ours, please report it: {problem!r}"
            failed = True
        line = _line(path, report, error) if as_json else _page(path, report, error)
        click.echo(line)
    sys.exit(1 if failed else 0)


@command.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "recipient", default="", help="The address that the mail came to, if known.")
@click.pass_context
def import_mail(ctx: click.Context, paths: tuple[Path, ...], recipient: str) -> None:
    """Take mail from PATHS as if it had come back by SMTP: files, mbox files, Maildir folders.

    What was imported before is passed over. `mailglass serve` reads it then; the paths are not
    changed.
    """
    from ..history import History  # a second of start that `parse` does not need

    history = History(settings_of(ctx).history_address)
    ctx.call_on_close(history.close)
    taken = passed = 0
    for path in _files(paths):
        for raw in _messages(path):
            with history.transaction() as t:
                is_new = t.add_returned(datetime.now(UTC), recipient, raw)
            taken, passed = taken + is_new, passed + (not is_new)
            if (taken + passed) % 1000 == 0:
                click.echo(f"{taken + passed} mails", err=True)
    click.echo(f"{taken} mails taken, {passed} were here already")


@command.command("list")
@click.option("--state", type=click.Choice(["new", "taken", "apart"]), help="Only mails in it.")
@click.option("--limit", default=50, show_default=True, help="How many, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_mail(ctx: click.Context, state: str | None, limit: int, as_json: bool) -> None:
    """List the mails that came back, and what they were taken for.

    `apart` are those that changed nothing: forged, unproven, or about nothing of ours.
    """
    from ..history import History

    history = History(settings_of(ctx).history_address)
    ctx.call_on_close(history.close)
    with history.reading() as t:
        found = t.latest_returned(state, limit)
    if as_json:
        for mail in found:
            click.echo(json.dumps(_mail_fields(mail)))
        return
    names = ("NUMBER", "CAME", "TO", "STATE", "KIND", "MATCHED BY", "DELIVERY")
    print_rows(
        names,
        [
            (
                str(mail.id),
                stamp(mail.at),
                mail.envelope_recipient or "-",
                mail.state,
                mail.kind or "-",
                mail.trust or "-",
                str(mail.delivery_id or "-"),
            )
            for mail in found
        ],
    )


def _mail_fields(mail: Returned) -> dict[str, object]:
    return {
        "id": mail.id,
        "at": mail.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "to": mail.envelope_recipient,
        "state": mail.state,
        "kind": mail.kind,
        "matched_by": mail.trust,
        "delivery_id": str(mail.delivery_id) if mail.delivery_id is not None else None,
        "size_bytes": len(mail.raw),
    }


@command.command("show")
@click.argument("number", type=NUMBER)
@click.pass_context
def show_mail(ctx: click.Context, number: int) -> None:
    """Write the mail NUMBER of `inbound list` to standard output, byte for byte."""
    from ..history import History

    history = History(settings_of(ctx).history_address)
    ctx.call_on_close(history.close)
    with history.reading() as t:
        mail = t.returned_mail(number)
    if mail is None:
        raise InputError(f"no mail {number} came back; `mailglass inbound list` says which did")
    sys.stdout.buffer.write(mail.raw)


@command.command("log")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def read_log(file: TextIO, as_json: bool) -> None:
    """Say what the log FILE of a local Postfix tells of each recipient; - is standard input."""
    for entry in read_postfix_log(file):
        if as_json:
            fields = {"queue_id": entry.queue_id, "message_id": entry.message_id}
            click.echo(json.dumps(fields | _fields(entry.record), ensure_ascii=False))
        else:
            click.echo("\n".join(_record_lines(entry.record)))


def _messages(path: Path) -> Iterator[bytes]:
    """The mails of a file: one, or those of an mbox (RFC 4155)."""
    with path.open("rb") as file:
        is_mbox = file.read(5) == b"From "
    if not is_mbox:
        yield _content(path)
        return
    box = mailbox.mbox(path, create=False)
    for key in box.iterkeys():
        yield box.get_bytes(key)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file())
        else:
            yield path


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES)


def _line(path: Path, report: Report | None, error: str | None) -> str:
    fields = {
        "file": str(path),
        "kind": report.kind if report else "other",
        "records": [_fields(record) for record in report.records] if report else [],
        "in_reply_to": report.in_reply_to if report else None,
        "error": error,
    }
    line = json.dumps(fields, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a file's name that is not UTF-8
        return json.dumps(fields)
    return line


def _fields(record: Record) -> dict[str, object]:
    return {
        "recipient": record.recipient,
        "action": record.action,
        "enhanced_status": record.enhanced_status,
        "reply_code": record.reply_code,
        "class": record.class_,
        "permanent": record.permanent,
        "suppress": record.suppress,
        "diagnostic": record.diagnostic,
        "remote_mta": record.remote_mta,
        "feedback_type": record.feedback_type,
        "disposition": record.disposition,
    }


def _page(path: Path, report: Report | None, error: str | None) -> str:
    if report is None or error:
        return f"{path}: {error}"
    lines = [f"{path}: {report.kind}"]
    for record in report.records:
        lines += _record_lines(record)
    return "\n".join(lines)


def _record_lines(record: Record) -> list[str]:
    said = (
        record.action,
        record.reply_code,
        record.enhanced_status,
        record.class_,
        record.feedback_type,
        record.disposition,
        "suppress" if record.suppress else None,
    )
    words = " ".join(str(part) for part in said if part)
    lines = [f"  {record.recipient or '(not named)'}  {words}"]
    lines += [f"    {record.diagnostic}"] if record.diagnostic else []
    return [safe(line) for line in lines]

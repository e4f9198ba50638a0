"""`mailglass suppression`: to whom nothing more is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from ..addresses import check_address, readable_address
from ..errors import InputError
from ..history import Suppression
from ._history import account_option, account_or_all, one_account, reading, writing
from ._rows import print_object, print_rows, stamp

__all__ = ["NotSuppressed", "command", "suppression_fields"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


class NotSuppressed(InputError):
    """The recipient is on no suppression list."""

    id = "not-suppressed"


@click.group()
def command() -> None:
    """Recipients to whom nothing more is sent: list, add, remove."""


@command.command("list")
@click.argument("recipient", required=False)
@account_option
@_json_option
@click.pass_context
def list_(ctx: click.Context, recipient: str | None, account: str | None, as_json: bool) -> None:
    """Those in force, with the reason and the words behind it.

    A name that begins with # is a person who was erased: they are still not written to.
    """
    with reading(ctx) as t:
        found = t.suppressions(
            datetime.now(UTC),
            account_id=account_or_all(t, account),
            recipients=[recipient] if recipient else (),
        )
    if as_json:
        for entry in found:
            print_object(suppression_fields(entry))
        return
    print_rows(
        ("recipient", "reason", "since", "until", "evidence"),
        [
            (readable_address(e.recipient), e.reason, stamp(e.since), _until(e), e.evidence)
            for e in found
        ],
    )
    click.echo(f"{len(found)} {'recipient' if len(found) == 1 else 'recipients'}")


@command.command()
@click.argument("recipient")
@click.option("--reason", default="by hand", show_default=True)
@click.option("--evidence", default="", help="The words that are the cause.")
@click.option("--days", type=click.IntRange(min=1), help="Lift it by itself after so many days.")
@account_option
@_json_option
@click.pass_context
def add(
    ctx: click.Context,
    recipient: str,
    reason: str,
    evidence: str,
    days: int | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Send nothing more to RECIPIENT."""
    now = datetime.now(UTC)
    with writing(ctx) as t:
        entry = Suppression(
            account_id=one_account(t, account).id,
            recipient=check_address(recipient),
            reason=reason,
            evidence=evidence,
            since=now,
            expires_at=now + timedelta(days=days) if days else None,
        )
        t.suppress(entry)
    if as_json:
        print_object(suppression_fields(entry))
    else:
        click.echo(f"nothing more is sent to {recipient}, until {_until(entry)}")


@command.command()
@click.argument("recipient")
@account_option
@_json_option
@click.pass_context
def remove(ctx: click.Context, recipient: str, account: str | None, as_json: bool) -> None:
    """Send to RECIPIENT again, by every account or one."""
    with writing(ctx) as t:
        owner = account_or_all(t, account)
        found = t.suppressions(datetime.now(UTC), account_id=owner, recipients=[recipient])
        for entry in found:
            t.unsuppress(entry.account_id, entry.recipient)
    if not found:
        raise NotSuppressed(
            f"{recipient} is not suppressed; `mailglass suppression list` shows who is"
        )
    if as_json:
        print_object({"removed": len(found)})
    else:
        click.echo(f"{recipient} may be written to again")


def suppression_fields(entry: Suppression) -> dict[str, object]:
    """A suppression for a program."""
    return {
        "account_id": entry.account_id,
        "recipient": entry.recipient,
        "reason": entry.reason,
        "evidence": entry.evidence,
        "since": entry.since.isoformat(),
        "expires_at": entry.expires_at.isoformat() if entry.expires_at else None,
    }


def _until(entry: Suppression) -> str:
    return stamp(entry.expires_at) if entry.expires_at else "lifted"

"""`mailglass consent`: what recipients said about being tracked, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ..addresses import check_address, readable_address
from ..history import Consent, ConsentState, Withdrawn
from ..model import TrackingPolicy
from ..spool import Spool
from ._files import read_input
from ._history import account_option, account_or_all, one_account, reading, writing
from ._rows import print_object, print_rows, stamp
from ._source import settings_of

__all__ = ["command"]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")


@click.group()
def command() -> None:
    """Records of consent: list them, add one, withdraw one also for mail already sent.

    How closely recipients are tracked with and without consent is for `mailglass policy`.
    """


@command.command("list")
@click.argument("recipient", required=False)
@account_option
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin behind this number.")
@_json_option
@click.pass_context
def list_(
    ctx: click.Context,
    recipient: str | None,
    account: str | None,
    limit: int,
    after: int,
    as_json: bool,
) -> None:
    """What was said, in the order in which it was written down; of RECIPIENT, or of all."""
    with reading(ctx) as t:
        found = t.consents(account_or_all(t, account), recipient, after=after, limit=limit)
    if as_json:
        for each in found:
            print_object(_fields(each))
        return
    print_rows(
        ("number", "recipient", "state", "at", "how", "shown"),
        [
            (str(c.id), readable_address(c.recipient), c.state.value, stamp(c.at), c.how, c.shown)
            for c in found
        ],
    )
    more = f"; `--after {found[-1].id}` shows more" if len(found) == limit else ""
    click.echo(f"{len(found)} records{more}")


@command.command()
@click.argument("recipient")
@click.option(
    "--state",
    type=click.Choice([ConsentState.GIVEN.value, ConsentState.REFUSED.value]),
    default=ConsentState.GIVEN.value,
    show_default=True,
)
@click.option("--how", required=True, help="Where they said it: form, paper, telephone, import.")
@click.option("--shown", default="", help="The words that they were shown.")
@click.option("--shown-file", type=click.Path(path_type=Path), help="The same, from a file.")
@click.option("--at", type=click.DateTime(_TIMES), help="When, UTC; now when left out.")
@click.option("--proof", multiple=True, metavar="NAME=VALUE", help="What else proves it.")
@account_option
@_json_option
@click.pass_context
def add(
    ctx: click.Context,
    recipient: str,
    state: str,
    how: str,
    shown: str,
    shown_file: Path | None,
    at: datetime | None,
    proof: tuple[str, ...],
    account: str | None,
    as_json: bool,
) -> None:
    """Write down that RECIPIENT gave consent, or refused it when asked."""
    if shown_file is not None:
        shown = read_input(shown_file).decode("utf-8", "replace")
    if not shown and state == ConsentState.GIVEN.value:
        raise click.UsageError("--shown: consent is proved by the words that the person was shown")
    moment = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    with writing(ctx) as t:
        consent = Consent(
            account_id=one_account(t, account).id,
            recipient=check_address(recipient),
            state=ConsentState(state),
            at=moment,
            how=how,
            shown=shown,
            proof=dict(_pair(item) for item in proof),
        )
        number = t.add_consent(consent)
    if as_json:
        print_object({"id": number})
    else:
        click.echo(f"written down as {number}: {recipient} {state}")


@command.command()
@click.argument("recipient")
@click.option("--how", default="told to the operator", show_default=True)
@click.option("--shown", default="", help="The words that they were shown, if any.")
@account_option
@_json_option
@click.pass_context
def withdraw(
    ctx: click.Context, recipient: str, how: str, shown: str, account: str | None, as_json: bool
) -> None:
    """RECIPIENT says no, also for mail already sent.

    Nothing that is sent from now on tracks them. Hits of mail already sent are kept without
    identity, and earlier ones are anonymised or erased as the policy says.
    """
    with writing(ctx) as t:
        owner = one_account(t, account).id
        done = t.withdraw(owner, check_address(recipient), datetime.now(UTC), how=how, shown=shown)
    waiting = _tighten(settings_of(ctx).data_directory, recipient, owner)
    if as_json:
        print_object({**_withdrawn(done), "waiting": waiting})
        return
    verb = "anonymised" if done.what.value == "anonymise" else "erased"
    click.echo(
        f"{recipient} is not tracked any more: {len(done.deliveries)} sent copies, {waiting} that "
        f"still wait; {done.events} earlier hits {verb}"
    )


def _tighten(directory: Path, recipient: str, account_id: int) -> int:
    path = directory / "spool.db"
    if not path.exists():
        return 0
    spool = Spool(path)
    try:
        return spool.tighten(recipient, account_id, TrackingPolicy.OFF)
    finally:
        spool.close()


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals:
        raise click.UsageError(f"--proof {item!r} is not of the form name=value")
    return name, value


def _fields(consent: Consent) -> Mapping[str, object]:
    return {
        "id": consent.id,
        "account_id": consent.account_id,
        "recipient": consent.recipient,
        "state": consent.state.value,
        "at": consent.at.isoformat(),
        "how": consent.how,
        "shown": consent.shown,
        "proof": dict(consent.proof),
    }


def _withdrawn(done: Withdrawn) -> Mapping[str, object]:
    return {
        "deliveries": [str(number) for number in done.deliveries],
        "earlier_hits": done.events,
        "done": done.what.value,
    }

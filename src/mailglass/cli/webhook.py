"""`mailglass webhook`: where an account's notices go, and what became of them."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..errors import InputError
from ..history import Belongings, Endpoint, EndpointState, Filters, Notice, NoticeState, Transaction
from ..model import EventType
from ..notify import check_url, new_secret
from ._history import account_option, one_account, reading, writing
from ._rows import NUMBER, print_object, print_rows, stamp

__all__ = ["NoSuchWebhook", "command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")
_number = click.argument("number", type=NUMBER)


class NoSuchWebhook(InputError):
    """The account has no webhook endpoint of this number."""

    id = "no-such-webhook"


@click.group()
def command() -> None:
    """Webhook endpoints: list, add, pause, remove; their notices and dead letters."""


@command.command("list")
@account_option
@_json_option
@click.pass_context
def list_(ctx: click.Context, account: str | None, as_json: bool) -> None:
    """All endpoints."""
    with reading(ctx) as t:
        found = t.endpoints(one_account(t, account).id)
    if as_json:
        for each in found:
            print_object(_fields(each))
        return
    print_rows(
        ("webhook", "url", "state", "events", "description"),
        [
            (
                str(e.id),
                e.url,
                e.state.value,
                " ".join(t.value for t in e.filters.types) or "all",
                e.description,
            )
            for e in found
        ],
    )


@command.command()
@click.argument("url")
@click.option(
    "--event",
    "types",
    multiple=True,
    type=click.Choice([t.value for t in EventType]),
    help="Only these events; repeatable.",
)
@click.option("--campaign", "campaigns", multiple=True, help="Only these campaigns.")
@click.option("--tag", "tags", multiple=True, help="Only these tags.")
@click.option("--description", default="")
@account_option
@_json_option
@click.pass_context
def add(
    ctx: click.Context,
    url: str,
    types: tuple[str, ...],
    campaigns: tuple[str, ...],
    tags: tuple[str, ...],
    description: str,
    account: str | None,
    as_json: bool,
) -> None:
    """Send notices of what happens from now on to URL; the signing secret is shown once."""
    try:
        check_url(url)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    secret = new_secret()
    with writing(ctx) as t:
        endpoint = Belongings(t, one_account(t, account).id).add_endpoint(
            url,
            secret,
            datetime.now(UTC),
            filters=Filters(types=tuple(map(EventType, types)), campaigns=campaigns, tags=tags),
            description=description,
        )
    if as_json:
        print_object({**_fields(endpoint), "secret": secret})
    else:
        click.echo(f"webhook {endpoint.id}; its secret, shown this once:")
        click.echo(secret)


@command.command()
@_number
@click.argument("state", type=click.Choice([s.value for s in EndpointState]))
@account_option
@_json_option
@click.pass_context
def state(ctx: click.Context, number: int, state: str, account: str | None, as_json: bool) -> None:
    """Enable NUMBER, pause it (what happens is kept for it), or disable it (it is not)."""
    with writing(ctx) as t:
        found = _find(t, account, number)
        Belongings(t, found.account_id).change_endpoint(found, state=EndpointState(state))
    if as_json:
        print_object({"id": number, "state": state})
    else:
        click.echo(f"webhook {number} is {state}")


@command.command()
@_number
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_option
@_json_option
@click.pass_context
def remove(ctx: click.Context, number: int, yes: bool, account: str | None, as_json: bool) -> None:
    """Let the endpoint NUMBER go, with its notices."""
    if not yes:
        click.confirm(f"Remove webhook {number} with its notices?", abort=True, err=True)
    with writing(ctx) as t:
        _find(t, account, number)
        t.remove_endpoint(number)
    if as_json:
        print_object({"removed": number})
    else:
        click.echo(f"webhook {number} is removed")


@command.command()
@_number
@click.option("--state", type=click.Choice([s.value for s in NoticeState]))
@click.option("--before", type=NUMBER, help="Only events below this number: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@account_option
@_json_option
@click.pass_context
def notices(
    ctx: click.Context,
    number: int,
    state: str | None,
    before: int | None,
    limit: int,
    account: str | None,
    as_json: bool,
) -> None:
    """What NUMBER was told, the newest first; `--state dead` shows what was given up."""
    with reading(ctx) as t:
        _find(t, account, number)
        wanted = NoticeState(state) if state else None
        found = t.notices(number, state=wanted, before=before, limit=limit)
        attempts = t.attempts_of(n.id for n in found)
    if as_json:
        for each in found:
            tries = attempts.get(each.id, [])
            print_object({**_notice(each), "problem": tries[-1].problem if tries else None})
        return
    print_rows(
        ("notice", "state", "made", "tried", "next", "last answer"),
        [
            (
                n.id,
                n.state.value,
                stamp(n.created_at),
                str(n.attempts),
                stamp(n.next_attempt_at),
                _answer(attempts.get(n.id, [])),
            )
            for n in found
        ],
    )


@command.command()
@_number
@click.option("--notice", help="Only this one; all that were given up when left out.")
@account_option
@_json_option
@click.pass_context
def replay(
    ctx: click.Context, number: int, notice: str | None, account: str | None, as_json: bool
) -> None:
    """Send what was given up again, under the same numbers."""
    with writing(ctx) as t:
        _find(t, account, number)
        done = t.replay_notices(number, datetime.now(UTC), number=notice)
    if as_json:
        print_object({"replayed": done})
    else:
        click.echo(f"{done} will be sent again; `mailglass webhook notices {number}` shows them")


def _find(t: Transaction, account: str | None, number: int) -> Endpoint:
    found = t.endpoint(one_account(t, account).id, number)
    if found is None:
        raise NoSuchWebhook(f"there is no webhook {number}; `mailglass webhook list` shows all")
    return found


def _answer(attempts: list) -> str:  # type: ignore[type-arg]  # of history.webhooks.Attempt
    if not attempts:
        return "-"
    last = attempts[-1]
    return last.problem or str(last.status_code)


def _fields(endpoint: Endpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "account_id": endpoint.account_id,
        "url": endpoint.url,
        "state": endpoint.state.value,
        "types": [t.value for t in endpoint.filters.types],
        "campaigns": list(endpoint.filters.campaigns),
        "tags": list(endpoint.filters.tags),
        "description": endpoint.description,
        "created_at": endpoint.created_at.isoformat(),
    }


def _notice(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "event_id": str(notice.event_id),
        "state": notice.state.value,
        "attempts": notice.attempts,
        "created_at": notice.created_at.isoformat(),
        "next_attempt_at": notice.next_attempt_at.isoformat() if notice.next_attempt_at else None,
    }

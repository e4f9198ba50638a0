"""`mailglass message`: the messages that were taken, and one of them with its targets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from ..errors import InputError
from ..history import Dimension, MessageSearch, StoredMessage, Transaction
from ..model import VerdictLevel
from ._history import account_option, account_or_all, one_account, reading
from ._rows import NUMBER, print_object, print_rows, safe, stamp

__all__ = ["NoSuchMessage", "command"]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_COUNTED = ("delivered", "bounced", "deferred", "opened", "clicked", "downloaded", "replied")


class NoSuchMessage(InputError):
    """The history knows no message or delivery of this name."""

    id = "no-such-message"


@click.group()
def command() -> None:
    """List messages, or show one; what happened to it is for `mailglass timeline`."""


@command.command("list")
@click.argument("words", required=False, default="")
@account_option
@click.option("--level", type=click.Choice([v.value for v in VerdictLevel]), help="Of any copy.")
@click.option("--domain", help="Of any recipient.")
@click.option("--campaign")
@click.option("--tag")
@click.option("--since", type=click.DateTime(_TIMES), help="UTC.")
@click.option("--until", type=click.DateTime(_TIMES), help="UTC; the first moment left out.")
@click.option("--before", type=NUMBER, help="Only numbers below this: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_(
    ctx: click.Context,
    words: str,
    account: str | None,
    level: str | None,
    domain: str | None,
    campaign: str | None,
    tag: str | None,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """The newest messages first; with WORDS in subject or author, or to that recipient."""
    search = MessageSearch(
        words=words,
        level=VerdictLevel(level) if level else None,
        domain=domain,
        campaign=campaign,
        tag=tag,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
    with reading(ctx) as t:
        owner = one_account(t, account).id
        found = t.find_messages(owner, search, before=before, limit=limit)
        counts = {c.key: c for c in t.counts(owner, Dimension.MESSAGE, keys=[m.id for m in found])}
    if as_json:
        for message in found:
            numbers = dict(counts[message.id].counts) if message.id in counts else {}
            print_object({**_fields(message), "counts": numbers})
        return
    print_rows(
        ("message", "accepted", "author", "subject", "copies", "delivered", "opened", "clicked"),
        [
            (
                str(m.id),
                stamp(m.accepted_at),
                m.author,
                m.subject,
                *(
                    str(counts[m.id][name] if m.id in counts else 0)
                    for name in ("queued", "delivered", "opened", "clicked")
                ),
            )
            for m in found
        ],
    )
    if len(found) == limit:
        click.echo(f"`--before {found[-1].id}` shows older ones")


@command.command()
@click.argument("name", metavar="MESSAGE")
@account_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def show(ctx: click.Context, name: str, account: str | None, as_json: bool) -> None:
    """One message: its header as the history has it, its targets, its counts.

    MESSAGE is its number, a delivery's number, or its Message-ID.
    """
    with reading(ctx) as t:
        message = find(t, account_or_all(t, account), name)
        counts = {
            c.key: dict(c.counts)
            for c in t.counts(message.account_id, Dimension.MESSAGE, keys=[message.id])
        }.get(message.id, {})
        hits = t.target_counts(message.id)
    if as_json:
        print_object({**_fields(message), "targets": _targets(message, hits), "counts": counts})
        return
    for label, value in _fields(message).items():
        if value not in (None, "", []):
            click.echo(f"{label.replace('_', ' '):16} {safe(str(value))}")
    numbers = ", ".join(f"{counts[n]} {n}" for n in _COUNTED if counts.get(n))
    click.echo(f"{'copies':16} {counts.get('queued', 0)}: {numbers or 'nothing yet'}")
    click.echo()
    print_rows(
        ("target", "kind", "people", "machines", "undetermined", "what"),
        [
            (
                str(target["number"]),
                str(target["kind"]),
                *(str(target[who]) for who in ("human", "machine", "undetermined")),
                str(target["url"] or target["name"] or ""),
            )
            for target in _targets(message, hits)
        ],
    )


def find(t: Transaction, account_id: int | None, name: str) -> StoredMessage:
    """A message by its number, a delivery's or its Message-ID; raises NoSuchMessage."""
    message = t.message(account_id, name)
    if message is None:
        raise NoSuchMessage(
            f"there is no message {name!r} in the history; `mailglass message list` shows some"
        )
    return message


def _fields(message: StoredMessage) -> dict[str, object]:
    return {
        "id": str(message.id),
        "account_id": message.account_id,
        "accepted_at": message.accepted_at.isoformat(timespec="milliseconds"),
        "return_path": message.return_path,
        "author": message.author,
        "subject": message.subject,
        "message_id_field": message.message_id_field,
        "campaign": message.campaign,
        "tags": list(message.tags),
        "submitter": message.submitter,
    }


def _targets(
    message: StoredMessage, hits: Mapping[int, Mapping[str, int]]
) -> list[dict[str, object]]:
    nothing = {"human": 0, "machine": 0, "undetermined": 0}
    return [
        {
            "number": target.number,
            "kind": target.kind.value,
            "url": target.url,
            "name": target.name,
            **(hits.get(target.number) or nothing),
        }
        for target in message.targets
    ]

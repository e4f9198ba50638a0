"""`mailglass delivery`: one message to one recipient, and what its events mean so far."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..addresses import readable_address
from ..errors import InputError
from ..evidence import as_told
from ..history import EVENTS_OF_COPY, DeliveryFilters, StoredDelivery, further_hits
from ..model import VerdictLevel
from ._history import account_option, account_or_all, one_account, reading
from ._rows import NUMBER, print_object, print_rows, safe, stamp

__all__ = ["NoSuchDelivery", "command"]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class NoSuchDelivery(InputError):
    """The history knows no delivery of this number."""

    id = "no-such-delivery"


@click.group()
def command() -> None:
    """List deliveries, or show one with its verdict and the reasons."""


@command.command("list")
@click.option("--message", "message_id", type=NUMBER, help="Of this message.")
@click.option("--recipient", help="To this address.")
@click.option("--domain", help="To this domain.")
@click.option("--level", type=click.Choice([v.value for v in VerdictLevel]))
@click.option("--since", type=click.DateTime(_TIMES), help="UTC.")
@click.option("--until", type=click.DateTime(_TIMES), help="UTC; the first moment left out.")
@click.option("--before", type=NUMBER, help="Only numbers below this: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@account_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_(
    ctx: click.Context,
    message_id: int | None,
    recipient: str | None,
    domain: str | None,
    level: str | None,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
    account: str | None,
    as_json: bool,
) -> None:
    """The newest deliveries first."""
    filters = DeliveryFilters(
        message_id=message_id,
        recipient=recipient,
        recipient_domain=domain,
        level=VerdictLevel(level) if level else None,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
    with reading(ctx) as t:
        owner = one_account(t, account).id
        found = t.list_deliveries(owner, filters, before=before, limit=limit)
    if as_json:
        for each in found:
            print_object(_fields(each))
        return
    print_rows(
        ("delivery", "message", "recipient", "delivered", "verdict", "probability"),
        [
            (
                str(d.id),
                str(d.message_id),
                _recipient(d),
                stamp(d.delivered_at),
                d.verdict.level.value + ("" if d.verdict.is_final else " (provisional)"),
                f"{as_told(d.verdict.probability):.0%}",
            )
            for d in found
        ],
    )
    if len(found) == limit:
        click.echo(f"`--before {min(d.id for d in found)}` shows older ones")


@command.command()
@click.argument("number", type=NUMBER)
@account_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with events and hits.")
@click.pass_context
def show(ctx: click.Context, number: int, account: str | None, as_json: bool) -> None:
    """The delivery NUMBER: its verdict with the reasons, its events and hits."""
    with reading(ctx) as t:
        owner = account_or_all(t, account)
        found = [d for d in t.deliveries([number]) if owner in (None, d.account_id)]
        if not found:
            raise NoSuchDelivery(
                f"there is no delivery {number}; `mailglass delivery list` shows the newest"
            )
        events = t.events_of([number], most=EVENTS_OF_COPY)
        hits = t.hits_numbered(e.hit_id for e in events if e.hit_id is not None)
    delivery = found[0]
    if as_json:
        print_object(
            {
                **_fields(delivery),
                "events": [e.as_json() for e in events],
                "hits": [
                    {
                        "at": h.hit.at.isoformat(timespec="milliseconds"),
                        "path_kind": h.hit.path_kind,
                        "target": h.hit.target,
                        "address": h.hit.address,
                        "headers": dict(h.hit.headers),
                    }
                    for h in hits
                ],
                "further_hits": further_hits(delivery, events),
            }
        )
        return
    verdict = delivery.verdict
    state = "" if verdict.is_final else ", provisional"
    click.echo(f"delivery {delivery.id} of message {delivery.message_id}")
    click.echo(f"to        {safe(_recipient(delivery))}, tracking {delivery.policy.value}")
    click.echo(f"delivered {stamp(delivery.delivered_at)}")
    click.echo(f"verdict   {verdict.level.value}, {as_told(verdict.probability):.0%}{state}")
    for item in verdict.evidence:
        click.echo(f"            {safe(item.text)}")
    print_rows(
        ("at", "event", "hit", "from"),
        [
            (
                stamp(e.event.at),
                e.event.type.value,
                "-" if e.hit_id is None else str(e.hit_id),
                str(e.event.raw.get("address", "")),
            )
            for e in events
        ],
    )
    further = further_hits(delivery, events)
    if further:
        click.echo(f"and {further} further hits, which are counted")
    click.echo(f"`mailglass timeline {delivery.id}` tells it in sentences")


def _recipient(delivery: StoredDelivery) -> str:
    if delivery.is_crowd:
        return "(all who are not told apart)"
    return readable_address(delivery.recipient) or "(erased)"


def _fields(delivery: StoredDelivery) -> dict[str, object]:
    verdict = delivery.verdict
    return {
        "id": str(delivery.id),
        "message_id": str(delivery.message_id),
        "account_id": delivery.account_id,
        "recipient": delivery.recipient,
        "is_crowd": delivery.is_crowd,
        "tracking": delivery.policy.value,
        "delivered_at": delivery.delivered_at.isoformat() if delivery.delivered_at else None,
        "verdict": {
            "level": verdict.level.value,
            "probability": round(verdict.probability, 4),
            "is_final": verdict.is_final,
            "rules_version": verdict.rules_version,
            "evidence": [e.text for e in verdict.evidence],
        },
        "counts": dict(delivery.hits),
    }

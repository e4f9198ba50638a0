"""`mailglass timeline`: what became of one message."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.text import Text

from ..addresses import readable_address
from ..errors import InputError
from ..evidence import as_told
from ..history import DeliveryTimeline, StoredDelivery, Timeline, timeline
from ._console import console
from ._history import reading


@click.command()
@click.argument("message_id")
@click.option("--json", "as_json", is_flag=True, help="The whole story as one JSON object.")
@click.pass_context
def command(ctx: click.Context, message_id: str, as_json: bool) -> None:
    """Show what happened to a message, copy by copy.

    MESSAGE_ID is the number that the gateway gave it, a delivery's number, or the Message-ID of
    its header.
    """
    with reading(ctx) as t:
        story = timeline(t, None, message_id)
    if story is None:
        raise InputError(f"there is no message {message_id!r} in the history")
    if as_json:
        click.echo(json.dumps(story.as_json(), ensure_ascii=False, indent=2))
    else:
        _print(console(), story)


def _safe(text: str) -> str:
    """Text from mail and servers, without the characters that would steer a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _print(console: Console, story: Timeline) -> None:
    message = story.message
    console.print(Text(_safe(message.subject) or "(no subject)", style="bold"))
    console.print(Text(f"message {message.id} from {_safe(message.author)}"))
    for copy in story.deliveries:
        _print_copy(console, story, copy)
    more = message.copies - len(story.deliveries)
    if more > 0:
        console.print(f"\nand {more} more copies; the number of a delivery shows that copy")


def _name(delivery: StoredDelivery) -> str:
    if delivery.is_crowd:
        return "(all recipients who are not told apart)"
    return _safe(readable_address(delivery.recipient)) or "(erased)"


def _print_copy(console: Console, story: Timeline, copy: DeliveryTimeline) -> None:
    verdict = copy.delivery.verdict
    console.print()
    console.print(
        Text.assemble(
            (_name(copy.delivery), "bold cyan"),
            f"  {verdict.level.value}, {as_told(verdict.probability):.0%}",
            "" if verdict.is_final else " (provisional)",
        )
    )
    for item in verdict.evidence:
        console.print(Text(f"    {_safe(item.text)}", style="dim"))
    for stored in copy.events:
        at = stored.event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        console.print(
            Text.assemble(
                (f"  {at}  ", "dim"),
                (f"{stored.event.type.value:14}", "bold"),
                _safe(story.text_of(stored)),
            )
        )
        for item in stored.event.evidence:
            console.print(Text(f"      {item.weight:+.1f}  {_safe(item.text)}", style="dim"))
    if copy.further_hits:
        console.print(f"  and {copy.further_hits} further hits, which are counted")

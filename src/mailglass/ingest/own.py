"""Takes what shows a sender's own browsers and networks: `/s/` links, and where mail came from."""

from __future__ import annotations

from collections.abc import Iterable

from ..history import Transaction
from ..model import EventType, Hit
from ..spool import SpoolEvent

__all__ = ["is_mark", "take_mark", "take_networks"]

_PATH = "s"  # "this is me"; its token carries the number of a user
_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def is_mark(hit: Hit) -> bool:
    """Whether a hit is on a "this is me" link, and so on no delivery."""
    return hit.path_kind == _PATH


def take_mark(t: Transaction, hit: Hit) -> bool:
    """Remember the browser that opened a user's own link; whether it was one.

    A preview or prefetch, which the user's browser never showed, marks nothing.
    """
    agent = hit.headers.get("user-agent", "")
    if hit.delivery_id is None or hit.method != "GET" or not agent:
        return False
    if any(name in hit.headers for name in _PREFETCH):
        return False
    return t.add_own_device(hit.delivery_id, hit.address, agent, hit.at)


def take_networks(t: Transaction, told: Iterable[SpoolEvent]) -> None:
    """Remember from where an account's users handed mail in."""
    for event in told:
        if event.type is EventType.QUEUED and "account_id" in event.body:
            network = event.body.get("submitter_network")
            if network:
                t.add_own_network(event.body["account_id"], network, event.at)

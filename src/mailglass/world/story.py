"""One delivery told from its 250 to its last request, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..model import Target
from .machines import fetch_privately, prefetch, preview, scan, stray
from .people import decide, display, follow, forward, view_own_copy
from .population import Population
from .records import Story
from .scene import Scene

__all__ = ["tell_story"]


def tell_story(
    population: Population,
    recipient: str,
    targets: Sequence[Target],
    *,
    key: str,
    sender: str,
    one_to_one: bool,
) -> Story:
    """What becomes of a message with these targets, delivered to `recipient`.

    The same population, recipient, targets and `key` (the delivery's own name) give the same story,
    whatever was told before.
    """
    scene = Scene(
        rng=Random(f"{population.seed}/story/{key}/{recipient}"),
        population=population,
        mailbox=population.mailbox(recipient),
        sender=population.mailbox(sender),
        targets=targets,
        one_to_one=one_to_one,
    )
    truth = decide(scene)
    fetches = [
        *prefetch(scene, truth),
        *fetch_privately(scene),
        *scan(scene),
        *display(scene, truth),
        *follow(scene, truth),
        *preview(scene, truth),
        *stray(scene),
        *forward(scene, truth),
        *view_own_copy(scene, truth),
    ]
    return Story(fetches=tuple(sorted(fetches, key=lambda fetch: fetch.after_seconds)), truth=truth)

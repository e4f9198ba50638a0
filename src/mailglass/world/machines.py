"""What machines do with a delivered message: prefetches, privacy fetches, scans, previews.

None of it shows that the person looked. Which machine acts for whom stands in the tables; the
numbers stand in figures.toml.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..model import Actor, Target, TargetKind
from .records import Fetch, Truth
from .scene import Scene, Visitor
from .tables import Gateway

__all__ = ["fetch_privately", "prefetch", "preview", "scan", "scan_on_click", "stray"]

_FOLLOWED = (TargetKind.LINK, TargetKind.ATTACHMENT, TargetKind.HONEYPOT, TargetKind.NOTICE)
_GAP_SECONDS = 0.3  # assumed: mean pause between two links of one scan
_LOCAL_GAP_SECONDS = 0.003  # SpamAssassin asked for 4 URLs in 11 ms (measured 2026-11-22)
_LATE_SECONDS = (600.0, 86400.0)  # assumed: second scans, 10 min to 24 h


def prefetch(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """Gmail's fetch just before its list shows the message to a person who is signed in.

    Its chance is such that prefetches are their published share of the hits on Gmail's beacons.
    """
    client = scene.mailbox.client
    if not (scene.mailbox.provider.prefetches and client.name == "gmail"):
        return
    figures = scene.figures
    displays = figures.read_share * client.pictures_shown / (1 - figures.again_share)
    share = figures.prefetch_share_of_gmail_opens
    if not scene.chance(displays * share / (1 - share)):
        return
    after = scene.delay(figures.prefetch_median_seconds, figures.prefetch_sigma)
    if truth.displayed and after >= truth.displayed[0]:
        after = truth.displayed[0] * scene.rng.uniform(0.2, 0.9)
    place = scene.place_in("google-special-crawlers")
    visitor = scene.visitor(Actor.PREFETCH, "gmail-prefetch", place)
    yield from (visitor.ask(after, target) for target in scene.of_kind(TargetKind.BEACON))


def fetch_privately(scene: Scene) -> Iterator[Fetch]:
    """Apple's fetch for an account in Apple Mail, whether or not the person ever looks."""
    client, figures = scene.mailbox.client, scene.figures
    if client.displays is not Actor.PRIVACY_PROXY or not scene.chance(figures.apple_fetches):
        return
    visitor = scene.displayer(client, scene.mailbox.place)
    after = scene.delay(figures.apple_median_seconds, figures.apple_sigma)
    yield from (visitor.ask(after, target) for target in scene.of_kind(TargetKind.BEACON))


def scan(scene: Scene) -> Iterator[Fetch]:
    """A security gateway that follows the links of the message."""
    gateway = scene.mailbox.gateway
    if gateway is None:
        return
    followed = scene.of_kind(*_FOLLOWED)
    if gateway.unsubscribes:
        followed += scene.of_kind(TargetKind.UNSUBSCRIBE)
    if followed and scene.chance(gateway.one_link):
        followed = [scene.rng.choice(scene.of_kind(TargetKind.LINK) or followed)]
    if not followed or not scene.chance(_scan_chance(scene, gateway, followed)):
        return
    if gateway.takes_beacon or scene.chance(scene.figures.scan_takes_beacon):
        followed = scene.of_kind(TargetKind.BEACON) + followed
    yield from _walk(scene, gateway, followed)


def scan_on_click(scene: Scene, clicked: float, target: Target) -> Iterator[Fetch]:
    """A second look by the gateway, around the moment that the person clicks."""
    gateway = scene.mailbox.gateway
    if gateway is not None and scene.chance(gateway.on_click):
        # Assumed: 0.1 to 5 s before or after the person's own request.
        offset = scene.rng.uniform(0.1, 5) * scene.rng.choice((-1, 1))
        yield scene.scanner(gateway).ask(max(0.0, clicked + offset), target)


def preview(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """The card that a chat service makes of a link which a reader pasted there."""
    links = scene.of_kind(TargetKind.LINK)
    if not (links and truth.displayed and scene.chance(scene.figures.preview_share)):
        return
    after = truth.displayed[-1] + scene.delay(120, 1.0)  # assumed
    visitor = scene.visitor(Actor.LINK_PREVIEW, "chat-preview", scene.place_in("hosting"))
    yield visitor.ask(after, scene.rng.choice(links))


def stray(scene: Scene) -> Iterator[Fetch]:
    """A crawler or a program that came by a link, some time within a day."""
    links = scene.of_kind(TargetKind.LINK)
    if not (links and scene.chance(scene.figures.stray_share)):
        return
    actor, agent = scene.rng.choice(((Actor.CRAWLER, "crawler"), (Actor.TOOL, "tool")))
    visitor = scene.visitor(actor, agent, scene.place_in("hosting"))
    yield visitor.ask(_log_uniform(scene, *_LATE_SECONDS), scene.rng.choice(links))


def _scan_chance(scene: Scene, gateway: Gateway, followed: list[Target]) -> float:
    """So that machines make the domain's share of the clicks on its links.

    With a bot share b, machines click b / (1 - b) times as often as people; the scans on click
    are among them.
    """
    links = sum(target.kind is TargetKind.LINK for target in followed)
    bots = scene.mailbox.bot_share
    if not links:
        return bots
    wanted = bots / (1 - bots) - gateway.on_click
    return max(0.0, wanted) * scene.population.expected_clicks() / links


def _walk(scene: Scene, gateway: Gateway, followed: list[Target]) -> Iterator[Fetch]:
    visitor: Visitor = scene.scanner(gateway)
    method = "HEAD" if scene.chance(gateway.heads) else "GET"
    gap = _LOCAL_GAP_SECONDS if gateway.before_delivery else _GAP_SECONDS
    after = _scan_time(scene, gateway, gap * len(followed))
    for target in followed:
        yield visitor.ask(after, target, method=method)
        after += scene.rng.expovariate(1 / gap)
    if scene.chance(gateway.alters_token):
        yield visitor.ask(after, followed[-1], method=method, altered=True)


def _scan_time(scene: Scene, gateway: Gateway, lasts_seconds: float) -> float:
    figures = scene.figures
    draw = scene.rng.random()
    if gateway.before_delivery or draw < figures.scan_before_share:
        return -lasts_seconds - scene.rng.expovariate(1 / 3.0)  # assumed: 3 s before the 250
    if draw > 1 - figures.scan_late_share:
        return _log_uniform(scene, *_LATE_SECONDS)
    return scene.delay(figures.scan_median_seconds, figures.scan_sigma)


def _log_uniform(scene: Scene, low: float, high: float) -> float:
    return math.exp(scene.rng.uniform(math.log(low), math.log(high)))

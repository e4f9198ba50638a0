"""What people do with a delivered message: display it, follow links, reply, forward, look again.

`decide` fixes what the recipient does; the other functions turn that into the requests that others
can see, which are fewer: blocked pictures and Apple's cache hide a display.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Actor, TargetKind
from .machines import scan_on_click
from .records import Act, Fetch, Truth
from .scene import Scene, Visitor

__all__ = ["decide", "display", "follow", "forward", "view_own_copy"]

_LATENCY_SECONDS = (0.05, 0.6)  # assumed: from the display to the request for its pictures
_TYPING_SECONDS = 180.0  # assumed: median time from the display to a reply or a forward


def decide(scene: Scene) -> Truth:
    """What the recipient does with the message."""
    figures = scene.figures
    if not scene.chance(figures.read_share):
        return Truth()
    displayed = [_first_display(scene)]
    while scene.chance(figures.again_share):
        displayed.append(displayed[-1] + 1 + scene.delay(figures.again_median_seconds, 1.5))
    acts = [*_clicks(scene, displayed), *_downloads(scene, displayed)]
    replies = scene.one_to_one and scene.chance(figures.reply_share)
    forwards = scene.chance(figures.forward_share)
    return Truth(
        displayed=tuple(displayed),
        acts=tuple(sorted(acts, key=lambda act: act.after_seconds)),
        replied=displayed[-1] + scene.delay(_TYPING_SECONDS, 1.0) if replies else None,
        forwarded=displayed[-1] + scene.delay(_TYPING_SECONDS, 1.0) if forwards else None,
    )


def display(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """The requests for pictures that the recipient's displays cause."""
    mailbox = scene.mailbox
    client = mailbox.client
    beacons = [] if client.strips_beacon else scene.of_kind(TargetKind.BEACON)
    shows = scene.chance(client.pictures_shown)  # a habit: the same at each display
    if not (beacons and shows):
        return
    for number, moment in enumerate(truth.displayed):
        visitor = scene.displayer(client, mailbox.place)
        if number and not client.via and scene.chance(scene.figures.other_device_share):
            visitor = scene.visitor(Actor.HUMAN, "iphone-mail", mailbox.telephone)
        after = moment + scene.rng.uniform(*_LATENCY_SECONDS)
        # Yahoo's proxy was seen to ask up to 4 times for one view; how often is assumed.
        times = scene.rng.randint(2, 4) if client.retries and scene.chance(0.05) else 1
        for retry in range(times):
            yield from (visitor.ask(after + 0.1 * retry, beacon) for beacon in beacons)


def follow(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """The requests of the recipient's own browser, and the gateway's beside them."""
    for act in truth.acts:
        if act.target.kind is TargetKind.LINK:
            yield from scan_on_click(scene, act.after_seconds, act.target)
        yield _browser(scene).ask(act.after_seconds, act.target)


def forward(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """What the person does to whom the recipient forwarded the message, under the same tokens."""
    if truth.forwarded is None or scene.mailbox.client.strips_beacon:
        return
    friend = scene.population.other_reader(scene.rng)
    figures = scene.figures
    if not scene.chance(figures.read_share):
        return
    moment = truth.forwarded + scene.delay(figures.display_median_seconds, figures.display_sigma)
    if scene.chance(friend.client.pictures_shown):
        visitor = scene.displayer(friend.client, friend.place, Actor.THIRD_PARTY)
        yield from (visitor.ask(moment, beacon) for beacon in scene.of_kind(TargetKind.BEACON))
    links = scene.of_kind(TargetKind.LINK)
    if links and scene.chance(figures.click_share):
        visitor = scene.visitor(Actor.THIRD_PARTY, friend.browser, friend.place)
        clicked = moment + scene.delay(figures.click_median_seconds, figures.click_sigma)
        yield visitor.ask(clicked, scene.rng.choice(links))


def view_own_copy(scene: Scene, truth: Truth) -> Iterator[Fetch]:
    """The sender's looks at a copy with the recipient's beacon: at sending, or in the reply."""
    moments = []
    if scene.chance(scene.figures.sender_views):
        moments.append(scene.rng.uniform(-30, 300))  # assumed: while it is sent, or soon after
    if truth.replied is not None:
        moments.append(truth.replied + scene.delay(900, 1.2))  # assumed: the reply is soon read
    sender = scene.sender
    for moment in moments:
        if scene.chance(sender.client.pictures_shown):
            visitor = scene.displayer(sender.client, sender.place, Actor.SENDER)
            yield from (visitor.ask(moment, beacon) for beacon in scene.of_kind(TargetKind.BEACON))


def _first_display(scene: Scene) -> float:
    figures = scene.figures
    if scene.one_to_one and scene.chance(figures.fast_weight):
        return scene.delay(figures.fast_median_seconds, figures.fast_sigma)
    return scene.delay(figures.display_median_seconds, figures.display_sigma)


def _clicks(scene: Scene, displayed: list[float]) -> Iterator[Act]:
    links = scene.of_kind(TargetKind.LINK)
    figures = scene.figures
    if not (links and scene.chance(figures.click_share)):
        return
    moment = scene.rng.choice(displayed)
    wanted = 2 if scene.chance(figures.click_more_share) else 1
    for link in scene.rng.sample(links, min(wanted, len(links))):
        moment += scene.delay(figures.click_median_seconds, figures.click_sigma)
        yield Act(moment, link)


def _downloads(scene: Scene, displayed: list[float]) -> Iterator[Act]:
    for attachment in scene.of_kind(TargetKind.ATTACHMENT):
        if scene.chance(scene.figures.download_share):
            moment = scene.rng.choice(displayed) + scene.delay(30, 1.0)  # assumed, as for clicks
            yield Act(moment, attachment)


def _browser(scene: Scene) -> Visitor:
    mailbox = scene.mailbox
    place = mailbox.place
    apple = mailbox.client.displays is Actor.PRIVACY_PROXY
    if apple and scene.chance(scene.figures.relay_share_of_safari):
        place = scene.place_in("apple-egress")
    elif mailbox.gateway is not None and scene.chance(mailbox.gateway.isolates):
        place = scene.place_in(mailbox.gateway.network)
    return scene.visitor(Actor.HUMAN, mailbox.browser, place)

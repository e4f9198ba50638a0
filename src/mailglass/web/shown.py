"""How values stand on a page, in the reader's language and zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from markupsafe import Markup, escape

from ..addresses import readable_address
from ..evidence import as_told
from ..evidence.networks import NetworkTable
from ..history import SENTENCES, reply_words
from ..model import Actor, Event, EventType, FindingStatus, Target, VerdictLevel
from ..replies import ReplyClass
from .sentences import tell
from .visitor import Visitor
from .wording import (
    ACTORS,
    DOMAIN_STATES,
    EDITS,
    ENDPOINT_STATES,
    EVENTS,
    LEVELS,
    NOTICE_STATES,
    ON_WITHDRAWAL,
    POLICY_SCOPES,
    REASONS,
    REPLY_CLASSES,
    REPORT_KINDS,
    ROLES,
    STATUSES,
    TARGETS,
    TRACKING,
)

__all__ = ["Shown"]

_PLACE = re.compile(r"\{\w+\}")


class Shown:
    """The functions that templates call; one for each page, since it knows the reader."""

    def __init__(self, visitor: Visitor, now: datetime, networks: NetworkTable) -> None:
        self._visitor = visitor
        self._networks = networks
        self._language = visitor.language
        self._now = now

    def when(self, at: datetime | None) -> Markup:
        """A moment, to the second."""
        return self._time(at, self._language.time(at, self._visitor.zone) if at else "")

    def day(self, at: datetime | None) -> Markup:
        """The day of a moment."""
        return self._time(at, self._language.day(at, self._visitor.zone) if at else "")

    def clock(self, at: datetime | None) -> Markup:
        """The time of day of a moment."""
        return self._time(at, self._language.clock(at, self._visitor.zone) if at else "")

    def clock_or_day(self, at: datetime, days: int) -> Markup:
        """A mark on an axis that is so many days long."""
        return self.clock(at) if days == 1 else self.day(at)

    def ago(self, at: datetime | None) -> Markup:
        """How long ago a moment was."""
        return self._time(at, self._language.ago((self._now - at).total_seconds()) if at else "")

    def _time(self, at: datetime | None, text: str) -> Markup:
        if at is None:
            return Markup("–")  # a constant of ours
        exact = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, text)

    def number(self, value: float) -> str:
        """A count."""
        return self._language.number(value)

    def probability(self, probability: float) -> str:
        """A probability, as the sentences tell it."""
        return self._language.percent(as_told(probability))

    def percent(self, share: float) -> str:
        """A share."""
        return self._language.percent(share)

    def size(self, size_bytes: int) -> str:
        """A size, in the largest unit that leaves a whole number."""
        value, unit = float(size_bytes), "B"
        for larger in ("kB", "MB", "GB"):
            if value < 1000:
                break
            value, unit = value / 1000, larger
        return (
            f"{self._language.number(round(value, 1 if value < 10 and unit != 'B' else 0))} {unit}"
        )

    def level(self, level: VerdictLevel) -> str:
        """A verdict's level."""
        return self._language.say(LEVELS[level])

    def event(self, type_: EventType) -> str:
        """A kind of event."""
        return self._language.say(EVENTS[type_])

    def actor(self, actor: Actor | str) -> str:
        """Who caused a hit."""
        return self._language.say(ACTORS[Actor(actor)])

    def status(self, status: FindingStatus) -> str:
        """How a check came out."""
        return self._language.say(STATUSES[status])

    def role(self, role: str) -> str:
        """What a user may do."""
        return self._language.say(ROLES[role])

    def endpoint_state(self, state: str) -> str:
        """Whether an endpoint is sent anything."""
        return self._language.say(ENDPOINT_STATES[state])

    def notice_state(self, state: str) -> str:
        """What became of a notice."""
        return self._language.say(NOTICE_STATES[state])

    def domain_state(self, state: str) -> str:
        """Whether a domain is in the account's hands."""
        return self._language.say(DOMAIN_STATES[state])

    def policy_scope(self, scope: str) -> str:
        """What a policy is about."""
        return self._language.say(POLICY_SCOPES[scope])

    def tracking(self, mode: str) -> str:
        """How closely people are tracked."""
        return self._language.say(TRACKING[mode])

    def on_withdrawal(self, outcome: str) -> str:
        """What becomes of earlier hits after a no."""
        return self._language.say(ON_WITHDRAWAL[outcome])

    def template(self, text: str) -> str:
        """A rule's sentence with its places open: an ellipsis in each."""
        return _PLACE.sub("…", self._language.say(text))

    def reply_class(self, class_: ReplyClass) -> str:
        """What kind of trouble a reply speaks of."""
        return self._language.say(REPLY_CLASSES[class_])

    def reason(self, reason: str) -> str:
        """Why nothing is sent to somebody; the account's own reasons as they were given."""
        return self._language.say(REASONS[reason]) if reason in REASONS else reason

    def edit(self, kind: str) -> str:
        """What a change of a message is."""
        return self._language.say(EDITS[kind])

    def report_kind(self, kind: str) -> str:
        """What a receiver reports of."""
        return self._language.say(REPORT_KINDS[kind])

    def told(self, text: str) -> str:
        """Words of ours, perhaps around some of the outside, as they stand in a sentence."""
        return tell(text, self._visitor)

    def sentence(self, text: str) -> str:
        """A sentence of ours; it begins large unless it begins with a host, a tag or a URL."""
        told = tell(text, self._visitor)
        first = told.partition(" ")[0].rstrip(",:;")
        return told[:1].upper() + told[1:] if first.isalpha() else told

    def happening(self, event: Event, targets: Mapping[int, Target]) -> Markup:
        """What happened in a sentence, with what it was about and the words of the outside."""
        raw = event.raw
        parts = [escape(self._language.say(SENTENCES[event.type]))]
        number = raw.get("target")
        if isinstance(number, int) and number in targets:
            parts.append(self.target(targets[number]))
        if raw.get("reply_text"):
            said = self.text(reply_words(raw))
            parts.append(escape(self._language.say("the server said:")) + " " + said)
        elif raw.get("problem"):
            parts.append(self.text(str(raw["problem"])))
        return Markup("; ").join(parts)

    def target(self, target: Target | None) -> Markup:
        """What a token points at."""
        if target is None:
            return Markup("–")  # a constant of ours
        about = target.url or target.name or ""
        kind = escape(self._language.say(TARGETS[target.kind]))
        return kind + " " + self.text(about) if about else kind

    def place(self, address: str) -> Markup:
        """An address with who owns its network, when the lists know; no city, no map."""
        network = self._networks.of_address(address)
        owner = network.owner if network else None
        return self.text(f"{address} ({owner})" if owner else address)

    def weight(self, weight: float) -> str:
        """A piece of evidence's weight, with its sign."""
        return f"{weight:+.1f}".replace("-", "−")

    def text(self, text: str) -> Markup:
        """Text of the outside world: escaped, and kept from turning the line's direction."""
        return Markup("<bdi>{}</bdi>").format(escape(text))

    def address(self, address: str) -> Markup:
        """An address or a domain: in its own script where that deceives nobody, and as it is kept
        for whoever points at it."""
        shown = readable_address(address)
        if shown == address:
            return self.text(address)
        return Markup('<bdi title="{}">{}</bdi>').format(address, shown)

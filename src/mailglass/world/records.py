"""What happens to one delivered message in the simulated world, and what is true about it."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Actor, Target
from .population import Place

__all__ = ["Act", "Fetch", "Story", "Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One request, as it will be made.

    Times here are seconds since the receiving server's 250, negative before it.
    """

    after_seconds: float
    target: Target
    actor: Actor
    method: str
    place: Place
    headers: tuple[tuple[str, str], ...]  # in wire order; Host is left empty
    alters_token: bool = False

    @property
    def by_recipient(self) -> bool:
        """Whether the recipient's own act caused it: what a judge's probability is about."""
        return self.actor in (Actor.HUMAN, Actor.IMAGE_PROXY)

    @property
    def by_person(self) -> bool:
        """Whether any person's act caused it, the sender and third persons included."""
        return self.by_recipient or self.actor in (Actor.SENDER, Actor.THIRD_PARTY)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the recipient did with one target of the message."""

    after_seconds: float
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the recipient really did, whether or not any request shows it."""

    displayed: tuple[float, ...] = ()  # every time the message was displayed, ascending
    acts: tuple[Act, ...] = ()  # links followed and attachments fetched, ascending
    replied: float | None = None
    forwarded: float | None = None

    def until(self, seconds: float) -> Truth:
        """What was done up to a moment."""
        replied, forwarded = self.replied, self.forwarded
        return Truth(
            displayed=tuple(moment for moment in self.displayed if moment <= seconds),
            acts=tuple(act for act in self.acts if act.after_seconds <= seconds),
            replied=replied if replied is not None and replied <= seconds else None,
            forwarded=forwarded if forwarded is not None and forwarded <= seconds else None,
        )

    @property
    def was_read(self) -> bool:
        """Whether the person displayed the message at all."""
        return bool(self.displayed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One delivery from its 250 to the last request."""

    fetches: tuple[Fetch, ...]  # ascending in time
    truth: Truth

    def until(self, seconds: float) -> Story:
        """The story up to a moment, as if nobody had waited longer."""
        return Story(
            fetches=tuple(fetch for fetch in self.fetches if fetch.after_seconds <= seconds),
            truth=self.truth.until(seconds),
        )

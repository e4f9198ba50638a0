"""What the tokens of a message point at, numbered once for all recipients."""

from __future__ import annotations

from dataclasses import dataclass

from ..mime import Hole
from ..model import Target, TargetKind
from ..tokens import (
    Kind,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    unsubscribe_url,
)

__all__ = ["Stamp", "Stamps"]

_MAX_TARGET = 0x7FFF  # what a token's two bytes hold
_MARK = "\0"
_KINDS = {
    TargetKind.BEACON: Kind.OPEN,
    TargetKind.LINK: Kind.CLICK,
    TargetKind.HONEYPOT: Kind.CLICK,
    TargetKind.ATTACHMENT: Kind.ATTACHMENT,
    TargetKind.UNSUBSCRIBE: Kind.UNSUBSCRIBE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One target's token, not yet made, and the URL around it."""

    kind: Kind
    target: int
    bound: bytes
    before: str
    hole: Hole
    after: str

    @property
    def pieces(self) -> tuple[str, Hole, str]:
        """The URL as pieces of a change."""
        return (self.before, self.hole, self.after)


class Stamps:
    """Gives each target its number; the same link or attachment has one number throughout."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._known: dict[tuple[TargetKind, str], Stamp] = {}
        self.stamps: list[Stamp] = []
        self.targets: list[Target] = []

    @property
    def is_full(self) -> bool:
        """Whether no further target can be numbered."""
        return len(self.targets) > _MAX_TARGET

    def beacon(self) -> Stamp:
        """A new beacon."""
        return self._add(Target(number=len(self.targets), kind=TargetKind.BEACON), "")

    def link(self, to: str, kind: TargetKind = TargetKind.LINK) -> Stamp:
        """The link to a destination."""
        return self._add(Target(number=len(self.targets), kind=kind, url=to), to)

    def attachment(self, digest: str, name: str, size_bytes: int | None) -> Stamp:
        """A stored attachment."""
        target = Target(
            number=len(self.targets),
            kind=TargetKind.ATTACHMENT,
            name=name,
            digest=digest,
            size_bytes=size_bytes,
        )
        return self._add(target, f"{digest}/{name}")

    def unsubscribe(self) -> Stamp:
        """The recipient's way out."""
        return self._add(Target(number=len(self.targets), kind=TargetKind.UNSUBSCRIBE), "")

    def _add(self, target: Target, key: str) -> Stamp:
        place = (target.kind, key)
        found = self._known.get(place)
        if found is not None and target.kind is not TargetKind.BEACON:
            return found
        before, _, after = self._url(target).partition(_MARK)
        stamp = Stamp(
            kind=_KINDS[target.kind],
            target=target.number,
            bound=self._bound(target),
            before=before,
            hole=Hole(len(self.stamps), 29 if target.number < 0x80 else 31),
            after=after,
        )
        self._known[place] = stamp
        self.stamps.append(stamp)
        self.targets.append(target)
        return stamp

    def _url(self, target: Target) -> str:
        if target.kind is TargetKind.BEACON:
            return beacon_url(self._base, _MARK)
        if target.kind is TargetKind.ATTACHMENT:
            return attachment_url(self._base, _MARK, target.digest or "", target.name or "")
        if target.kind is TargetKind.UNSUBSCRIBE:
            return unsubscribe_url(self._base, _MARK)
        return link_url(self._base, _MARK, target.url or "")

    @staticmethod
    def _bound(target: Target) -> bytes:
        if target.kind is TargetKind.ATTACHMENT:
            return attachment_bound(target.digest or "", target.name or "")
        return link_bound(target.url or "")

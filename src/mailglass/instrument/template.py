"""A message compiled once, rendered for each recipient with its own tokens.

All places of tokens have fixed lengths and lie between bytes that are transfer-encoded already, so
that rendering makes tokens and joins; it does not look at the message again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..mime import Filling
from ..model import Target
from ..tokens import Kind, Ring
from .drafts import Drafts
from .options import Options
from .plan import LeftAlone, Plan, PlannedEdit, digest
from .stamps import Stamps

__all__ = ["Template"]

_SMALL = 1 << 16  # bytes up to which neighbouring pieces are copied together for speed


class Template:
    """What stays the same for all recipients of a message, and where their tokens go."""

    def __init__(
        self,
        raw: bytes,
        drafts: Drafts,
        *,
        stamps: Stamps,
        left_alone: Sequence[LeftAlone],
        options: Options,
        tag: str | None,
        campaign: str | None,
    ) -> None:
        """`drafts` sorted; `options` as the message's control fields left them."""
        self._raw = raw
        self._drafts = drafts
        self._stamps = stamps
        self.left_alone = tuple(left_alone)
        self.options = options
        self.tag = tag
        self.campaign = campaign
        self._frame, gaps, fillings = self._compile()
        numbers = [filling.number for filling in fillings]
        self._used = sorted(set(numbers))
        self._wanted = [stamps.wanted[number] for number in self._used]
        places = {number: place for place, number in enumerate(self._used)}
        # The gaps with the tokens that stand there: as they are, and encoded.
        self._plain: list[tuple[int, int]] = []
        self._coded: list[tuple[int, int, Filling]] = []
        for gap, filling in zip(gaps, fillings, strict=True):
            if filling.is_plain:
                self._plain.append((gap, places[filling.number]))
            else:
                self._coded.append((gap, places[filling.number], filling))

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the tokens point at; beacons first."""
        return tuple(map(self._stamps.target, self._used))

    def _compile(self) -> tuple[list[bytes | memoryview], list[int], list[Filling]]:
        """The pieces with gaps for the tokens, where the gaps are, and the form of each token."""
        raw, view = self._raw, memoryview(self._raw)
        frame: list[bytes | memoryview] = []
        gaps: list[int] = []
        fillings: list[Filling] = []
        text = b""
        position = 0
        for offset, length, pieces, _ in self._drafts.patches:
            if offset - position + len(text) <= _SMALL:
                text += raw[position:offset]
            else:
                frame += (text, view[position:offset])
                text = b""
            position = offset + length
            for piece in pieces:
                if isinstance(piece, bytes):
                    text += piece
                    continue
                frame.append(text)
                gaps.append(len(frame))
                frame.append(text := b"")
                fillings.append(piece)
        frame += (text, view[position:])
        return frame, gaps, fillings

    def render(self, delivery_id: int, ring: Ring, *, unsubscribe_id: int | None = None) -> bytes:
        """The message for one delivery; with anonymous tokens `delivery_id` is the message's.

        `unsubscribe_id` is then the delivery's: whoever wants to leave must be known to be let go.
        """
        return b"".join(self.render_pieces(delivery_id, ring, unsubscribe_id=unsubscribe_id))

    def render_pieces(
        self, delivery_id: int, ring: Ring, *, unsubscribe_id: int | None = None
    ) -> list[bytes | memoryview]:
        """What `render` joins, for a caller that writes a large message out."""
        tokens = self._tokens(delivery_id, ring, unsubscribe_id)
        pieces = self._frame.copy()
        for gap, place in self._plain:
            pieces[gap] = tokens[place].encode("ascii")
        for gap, place, filling in self._coded:
            pieces[gap] = filling.fill(tokens[place])
        return pieces

    def plan(self, delivery_id: int, ring: Ring, *, unsubscribe_id: int | None = None) -> Plan:
        """What `render` changes, edit by edit; refers to the original's bytes without a copy."""
        minted = self._tokens(delivery_id, ring, unsubscribe_id)
        tokens = dict(zip(self._used, minted, strict=True))
        view = memoryview(self._raw)
        edits = []
        for draft in self._drafts.edits():
            edit = draft.patch.edit(tokens)
            edits.append(
                PlannedEdit(
                    offset=edit.offset,
                    length=edit.length,
                    new=edit.new,
                    old=view[edit.offset : edit.offset + edit.length],
                    kind=draft.kind,
                    target=draft.target,
                    reason=draft.reason,
                )
            )
        return Plan(
            edits=tuple(edits),
            left_alone=self.left_alone,
            original_length=len(self._raw),
            original_digest=digest([self._raw]),
            instrumented_digest=digest(
                self.render_pieces(delivery_id, ring, unsubscribe_id=unsubscribe_id)
            ),
        )

    def _tokens(self, delivery_id: int, ring: Ring, unsubscribe_id: int | None = None) -> list[str]:
        """The tokens in the order of `_used`."""
        tokens = ring.mint_all(delivery_id, self._wanted, anonymous=self.options.anonymous)
        if self.options.anonymous and unsubscribe_id is not None:
            for place, (kind, target, bound) in enumerate(self._wanted):
                if kind is Kind.UNSUBSCRIBE:
                    tokens[place] = ring.mint(kind, unsubscribe_id, target, bound=bound)
        return tokens

"""A message compiled once, rendered for each recipient with its own tokens.

All places of tokens have fixed lengths and lie between bytes that are transfer-encoded already, so
that rendering makes tokens and joins; it does not look at the message again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..mime import Filling
from ..model import Target
from ..tokens import Kind, Ring
from .drafts import Draft
from .options import Options
from .plan import LeftAlone, Plan, PlannedEdit, digest
from .stamps import Stamps

__all__ = ["Template"]

_COMPACT = 1 << 20  # bytes up to which neighbouring pieces are copied together for speed


class Template:
    """What stays the same for all recipients of a message, and where their tokens go."""

    def __init__(
        self,
        raw: bytes,
        drafts: Sequence[Draft],
        *,
        stamps: Stamps,
        left_alone: Sequence[LeftAlone],
        options: Options,
        tag: str | None,
        campaign: str | None,
    ) -> None:
        """`drafts` in the order of their offsets; `options` as the message's control fields left
        them."""
        self._raw = raw
        self._drafts = tuple(drafts)
        self._stamps = stamps
        self.left_alone = tuple(left_alone)
        self.options = options
        self.tag = tag
        self.campaign = campaign
        self._frame, self._plain, self._coded = self._compile()
        used = {n for _, n in self._plain}.union(f.number for _, f in self._coded)
        self._used = sorted(used)
        chosen = [stamps.stamps[number] for number in self._used]
        self._wanted = [(stamp.kind, stamp.target, stamp.bound) for stamp in chosen]

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the tokens point at; beacons first."""
        return tuple(map(self._stamps.target, self._used))

    def _compile(
        self,
    ) -> tuple[list[bytes | memoryview], list[tuple[int, int]], list[tuple[int, Filling]]]:
        """The pieces with gaps, the gaps that take a token as it is, and those that encode it."""
        compact = len(self._raw) <= _COMPACT
        source = self._raw if compact else memoryview(self._raw)
        frame: list[bytes | memoryview] = []
        plain: list[tuple[int, int]] = []
        coded: list[tuple[int, Filling]] = []
        run: list[bytes | memoryview] = []
        position = 0
        for (offset, length, pieces, _), _, _, _ in self._drafts:
            if offset > position:
                run.append(source[position:offset])
            position = offset + length
            for piece in pieces:
                if isinstance(piece, bytes):
                    run.append(piece)
                    continue
                frame += [b"".join(run)] if compact else run
                run = []
                if piece.is_plain:
                    plain.append((len(frame), piece.number))
                else:
                    coded.append((len(frame), piece))
                frame.append(b"")
        run.append(source[position:])
        frame += [b"".join(run)] if compact else run
        return frame, plain, coded

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
        for place, number in self._plain:
            pieces[place] = tokens[number].encode("ascii")
        for place, filling in self._coded:
            pieces[place] = filling.fill(tokens[filling.number])
        return pieces

    def plan(self, delivery_id: int, ring: Ring, *, unsubscribe_id: int | None = None) -> Plan:
        """What `render` changes, edit by edit; refers to the original's bytes without a copy."""
        tokens = self._tokens(delivery_id, ring, unsubscribe_id)
        view = memoryview(self._raw)
        edits = []
        for draft in self._drafts:
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

    def _tokens(
        self, delivery_id: int, ring: Ring, unsubscribe_id: int | None = None
    ) -> dict[int, str]:
        minted = ring.mint_all(delivery_id, self._wanted, anonymous=self.options.anonymous)
        tokens = dict(zip(self._used, minted, strict=True))
        if self.options.anonymous and unsubscribe_id is not None:
            for number, (kind, target, bound) in zip(self._used, self._wanted, strict=True):
                if kind is Kind.UNSUBSCRIBE:
                    tokens[number] = ring.mint(kind, unsubscribe_id, target, bound=bound)
        return tokens

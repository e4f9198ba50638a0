"""How each provider's server answers for a recipient: accept, put off first, or refuse.

What happens to a recipient is fixed by the seed and the address. The words of the answers stand in
data/replies.tsv. RFC 5321 section 4.2; the enhanced status is part of the text, as on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from ..model import Reply
from .tables import Provider, read_rows

__all__ = ["Answers", "Fate"]

_DEFER_SHARE = 0.08  # assumed: recipients that are put off at first
_REFUSE_SHARE = 0.06  # assumed: recipients that are refused for good
# Assumed: how refusals divide. A full mailbox is put off, then takes mail again.
_REFUSALS = {"gone": 0.7, "closed": 0.15, "spam": 0.15}
_DEFERRALS = {"busy": 0.8, "full": 0.2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What a server does with every message to one recipient."""

    puts_off: int = 0  # how often a message gets a passing refusal before it is taken
    case: str = ""  # the row of replies.tsv that is said instead of accepting; empty: accepted

    @property
    def is_refusal(self) -> bool:
        """Whether no retry helps."""
        return bool(self.case) and not self.puts_off

    @property
    def after_data(self) -> bool:
        """Whether the server first reads the message, then refuses it."""
        return self.case == "spam"


class Answers:
    """The fates of recipients."""

    def __init__(
        self,
        seed: int = 0,
        *,
        defer_share: float = _DEFER_SHARE,
        refuse_share: float = _REFUSE_SHARE,
        fates: Mapping[str, Fate] | None = None,
    ) -> None:
        """`fates` sets single recipients; the shares decide on all others."""
        self._seed = seed
        self._defer_share = defer_share
        self._refuse_share = refuse_share
        self._fates = dict(fates or {})

    def fate_of(self, recipient: str) -> Fate:
        """What happens to mail for this recipient, the same each time."""
        if recipient in self._fates:
            return self._fates[recipient]
        rng = Random(f"{self._seed}/fate/{recipient}")
        draw = rng.random()
        if draw < self._refuse_share:
            return Fate(case=_draw(_REFUSALS, rng))
        if draw < self._refuse_share + self._defer_share:
            return Fate(case=_draw(_DEFERRALS, rng), puts_off=rng.randint(1, 2))
        return Fate()

    @staticmethod
    def reply(case: str, provider: Provider, *, recipient: str, peer: str) -> Reply:
        """What this provider says in a case of replies.tsv."""
        code, text = _texts().get((provider.name, case)) or _texts()["*", case]
        filled = text.format(recipient=recipient, peer=f"[{peer}]")
        first = filled.partition(" ")[0]
        enhanced = first if first[:1].isdigit() and first.count(".") == 2 else None
        return Reply(reply_code=code, reply_text=filled, enhanced_status=enhanced)


@cache
def _texts() -> dict[tuple[str, str], tuple[int, str]]:
    return {
        (row["provider"], row["case"]): (int(row["reply_code"]), row["text"])
        for row in read_rows("replies.tsv")
    }


def _draw(shares: Mapping[str, float], rng: Random) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]

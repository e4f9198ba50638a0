"""Hits of recipients who are not told apart: judged one by one, then kept without identity.

That is hits of anonymous tokens, and those of whoever said no after the message had been sent. They
are judged while address and user agent are at hand, since neither is kept; so no later rule can
judge them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence import Neighbours, Rules, event_from, judge_delivery, verdict_word
from ..history import StoredDelivery, Transaction, UnnamedHit
from ..model import Hit
from .judging import WHO_OF_WORD, delivery_facts

__all__ = ["Unnamed", "take_unnamed"]

# The message, and the delivery whose tokens named it; None for anonymous tokens.
Unnamed = tuple[int, StoredDelivery | None, Hit]


def take_unnamed(
    t: Transaction, found: Sequence[Unnamed], rules: Rules, neighbours: Neighbours
) -> None:
    """Judge and keep hits without identity."""
    targets = t.target_kinds(message_id for message_id, _, _ in found)
    crowds = t.crowds(message_id for message_id, delivery, _ in found if delivery is None)
    unnamed = []
    for message_id, delivery, hit in found:
        about = delivery or crowds.get(message_id)
        facts = delivery_facts(about, targets[message_id])
        crowd = neighbours.crowd(hit, facts)
        (judgement,) = judge_delivery(facts, [hit], rules=rules, crowds=[crowd])
        unnamed.append(
            UnnamedHit(
                message_id=message_id,
                hit=hit,
                type=event_from(hit, judgement).type,
                who=WHO_OF_WORD[verdict_word(judgement, rules)],
            )
        )
    t.add_unnamed(unnamed)

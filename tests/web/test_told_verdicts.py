"""Every sentence that a verdict can say is told in each language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailglass.evidence import load_rules, weigh
from mailglass.languages import LANGUAGES
from mailglass.model import Actor, Event, EventType
from mailglass.web.sentences import tell
from mailglass.web.visitor import Visitor

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ""]


def verdict_sentences() -> set[str]:
    """What verdicts say of each kind of event, once and often, doubtful and sure."""
    rules, said = load_rules(), set()
    for type_ in EventType:
        for share in (0.1, 0.5, 0.95):
            for agent in AGENTS:
                for path in ("o", "c", "a"):
                    for actor in (Actor.HUMAN, Actor.THIRD_PARTY):
                        raw = {
                            "actor": actor.value,
                            "probability_human": share,
                            "address": "192.0.2.1",
                            "user_agent": agent,
                            "path_kind": path,
                            "text": "automatic-action" if agent else "",
                        }
                        often = [
                            Event(type=type_, at=AT + timedelta(hours=n), raw=raw) for n in range(3)
                        ]
                        for events in (often[:1], often):
                            verdict = weigh(events, AT + timedelta(days=1), rules)
                            said |= {e.text for e in verdict.evidence if e.signal != "verdict"}
    said |= {e.text for e in weigh([], AT, rules, further_hits=7).evidence[1:]}
    return said


@pytest.mark.parametrize("tag", ["zh-Hans", "ko"])
def test_every_sentence_of_a_verdict_is_told(tag: str) -> None:
    visitor = Visitor(
        user=None,
        session="",
        language=LANGUAGES[tag],
        zone=ZoneInfo("Asia/Seoul"),
        zone_is_chosen=True,
        theme="auto",
    )
    english = {text for text in verdict_sentences() if tell(text, visitor) == text}
    assert english == set()

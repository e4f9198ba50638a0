"""The closing summary sets truth beside judgement and hides no disagreement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from mailglass.app.demo import closing_words
from mailglass.model import Actor, Judgement, Target, TargetKind
from mailglass.world import (
    JudgedHit,
    LiveDelivery,
    Population,
    Summary,
    Visit,
    summarise,
    tell_story,
)
from mailglass.world.browsing import Answer

AT = datetime(2026, 11, 2, tzinfo=UTC)
ANSWERED = Answer(status=200)
TARGETS = [
    Target(number=0, kind=TargetKind.BEACON, url="http://h/o/{}.gif"),
    Target(number=1, kind=TargetKind.LINK, url="http://h/c/{}?to=x"),
]


def delivery(number: int, answer: Answer = ANSWERED) -> LiveDelivery:
    """A delivery whose whole story has happened."""
    population = Population(1)
    provider = population.draw_provider(Random(number))
    recipient = f"p{number}@{provider.stand_ins[0]}"
    story = tell_story(
        population, recipient, TARGETS, key=str(number), sender="a@b.example", one_to_one=True
    )
    visits = [
        Visit(
            fetch=fetch,
            url=(fetch.target.url or "").format(f"tok{number}x{fetch.target.number}"),
            at=AT + timedelta(seconds=fetch.after_seconds),
            answer=answer,
        )
        for fetch in story.fetches
    ]
    return LiveDelivery(
        recipient=recipient,
        message_id=str(number),
        provider=provider.name,
        client="",
        accepted_at=AT,
        story=story,
        visits=visits,
    )


@pytest.fixture(scope="module")
def played() -> list[LiveDelivery]:
    return [delivery(number) for number in range(400)]


def judge(played: list[LiveDelivery], probability: dict[Actor, float]) -> list[JudgedHit]:
    """What a judge says who gives each actor a probability."""
    return [
        JudgedHit(
            token=visit.token,
            method=visit.fetch.method,
            address=visit.fetch.place.address,
            judgement=Judgement(
                actor=visit.fetch.actor,
                probability_human=probability.get(visit.fetch.actor, 0.01),
                evidence=(),
                rules_version="1",
            ),
        )
        for done in played
        for visit in done.visits
    ]


PEOPLE = dict.fromkeys((Actor.HUMAN, Actor.IMAGE_PROXY, Actor.SENDER, Actor.THIRD_PARTY), 0.97)


def test_a_judge_who_knows_the_truth_is_always_right(played: list[LiveDelivery]) -> None:
    summary = summarise(played, judge(played, PEOPLE))
    assert (summary.wrong, summary.unrecorded, summary.unexplained) == (0, 0, 0)
    assert summary.right == summary.human_requests + summary.machine_requests > 0
    assert all(true == said for true, said in summary.actors)
    assert set(summary.examples) == {"machine", "opened", "clicked"}


def test_people_taken_for_machines_are_counted_as_wrong(played: list[LiveDelivery]) -> None:
    summary = summarise(played, judge(played, {**PEOPLE, Actor.IMAGE_PROXY: 0.0}))
    proxied = sum(v.fetch.actor is Actor.IMAGE_PROXY for d in played for v in d.visits)
    assert summary.wrong == proxied > 0


def test_the_middle_band_is_neither_right_nor_wrong(played: list[LiveDelivery]) -> None:
    summary = summarise(played, judge(played, dict.fromkeys(Actor, 0.5)))
    assert (summary.right, summary.wrong) == (0, 0)
    assert summary.undecided == summary.human_requests + summary.machine_requests


def test_hits_without_a_request_and_requests_without_a_hit_are_counted(
    played: list[LiveDelivery],
) -> None:
    judged = judge(played, PEOPLE)
    extra = JudgedHit(token="x", method="GET", address="::1", judgement=judged[0].judgement)
    summary = summarise(played, [*judged[3:], extra])
    assert (summary.unrecorded, summary.unexplained) == (3, 1)


def test_an_altered_token_is_counted_apart_and_every_request_is_accounted_for() -> None:
    played = [delivery(number) for number in range(400)]
    for done in played:
        done.visits = [replace(v, fetch=replace(v.fetch, alters_token=False)) for v in done.visits]
    first = next(done.visits for done in played if done.visits)
    first[0] = replace(
        first[0], url="http://h/o/other%27.gif", fetch=replace(first[0].fetch, alters_token=True)
    )
    judged = [j for j in judge(played, PEOPLE) if "other" not in j.token]
    summary = summarise(played, judged)
    assert (summary.altered, summary.unrecorded) == (1, 0)
    made = sum(len(done.visits) for done in played)
    said = closing_words(summary)
    assert f"Of {made} requests {made - 1} are judged hits of a message; 1 asked for an" in said
    assert "could not be recorded" not in said
    assert "2 could not be recorded" in closing_words(summarise(played, judged[2:]))


def test_a_request_that_nobody_answered_leaves_no_hit_to_miss() -> None:
    played = [delivery(number, Answer(status=0, error="refused")) for number in range(30)]
    assert summarise(played, []).unrecorded == 0


def test_the_truth_counts_reads_that_no_request_shows(played: list[LiveDelivery]) -> None:
    summary = summarise(played, [])
    assert isinstance(summary, Summary)
    assert 0 < summary.silent_reads < summary.read < summary.delivered == 400
    assert 0 < summary.clicked <= summary.read

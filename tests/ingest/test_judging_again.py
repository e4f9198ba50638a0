"""Judging by what the history knows besides: the sender's own, a recipient's past, a domain's past,
and the whole history by other rules. On both databases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailglass.cli._source import SettingsSource
from mailglass.cli.rejudge import command
from mailglass.evidence import Neighbours, Rules, load_rules, with_learned
from mailglass.history import Dimension, History, StoredEvent, StoredMessage, Transaction
from mailglass.ingest import Rejudging, rejudge
from mailglass.ingest.judging import judge_again
from mailglass.ingest.learning import count_some, learn
from mailglass.ingest.own import is_mark, take_mark, take_networks
from mailglass.model import Delivery, Event, EventType, Hit, Target, TargetKind, VerdictLevel
from mailglass.spool import SpoolEvent

DELIVERED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = DELIVERED_AT + timedelta(days=2)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36"
)
SITE = "[[clients]]\nmatch = 'prefix'\ntext = 'Acme-Reader/'\nclass = 'mail_app'\nname = 'Acme'\n"


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


class Desk:
    """A history with an account and a user."""

    def __init__(self, address: str, rules: Rules) -> None:
        self.history, self.rules = History(address), rules
        self.neighbours = Neighbours(rules)
        with self.history.transaction() as t:
            self.account_id = t.add_account("default", DELIVERED_AT).id
            self.user = t.add_user(self.account_id, "me", "hash", DELIVERED_AT)

    def deliver(
        self, message_id: int, recipient: str = "a@corp.test", author: str = "me@home.test"
    ) -> int:
        delivery = Delivery(id=message_id * 100, message_id=message_id, recipient=recipient)
        with self.history.transaction() as t:
            t.add_message(_message(message_id, self.account_id, author), [delivery])
            t.set_delivered({delivery.id: DELIVERED_AT})
            event = Event(type=EventType.DELIVERED, at=DELIVERED_AT)
            t.add_events([StoredEvent(delivery_id=delivery.id, event=event)])
        return delivery.id

    def see(self, *hits: Hit, with_past: bool = True) -> None:
        with self.history.transaction() as t:
            stored = t.add_hits([(h.delivery_id, h) for h in hits])
            touched = {h.delivery_id for h in hits if h.delivery_id is not None}
            judge_again(t, touched, self.rules, self.neighbours, NOW, stored, with_past=with_past)

    def reply(self, delivery_id: int, at: datetime) -> None:
        event = Event(type=EventType.REPLIED, at=at)
        with self.history.transaction() as t:
            t.add_events([StoredEvent(delivery_id=delivery_id, event=event)])

    def types(self, delivery_id: int) -> list[EventType]:
        with self.history.reading() as t:
            return [e.event.type for e in t.events_of([delivery_id])]

    def level(self, delivery_id: int) -> VerdictLevel:
        with self.history.reading() as t:
            return t.deliveries([delivery_id])[0].verdict.level

    def opened(self) -> int:
        with self.history.reading() as t:
            (row,) = t.counts(self.account_id, Dimension.ACCOUNT)
        return row["opened"]

    def do(self, deed: Callable[[Transaction], Any]) -> Any:
        with self.history.transaction() as t:
            return deed(t)


def _message(message_id: int, account_id: int, author: str) -> StoredMessage:
    return StoredMessage(
        id=message_id,
        account_id=account_id,
        accepted_at=DELIVERED_AT,
        return_path="me@home.test",
        author=author,
        subject="x",
        message_id_field=f"<{message_id}@home.test>",
        targets=(
            Target(number=0, kind=TargetKind.BEACON),
            Target(number=1, kind=TargetKind.LINK, url="https://example.org/"),
        ),
    )


def hit(delivery_id: int | None, minutes: float = 60, agent: str = FIREFOX, **facts: Any) -> Hit:
    values: dict[str, Any] = {
        "at": DELIVERED_AT + timedelta(minutes=minutes),
        "path_kind": "o",
        "method": "GET",
        "token": "a" * 29,
        "delivery_id": delivery_id,
        "target": None if delivery_id is None else 0,  # what does not verify names no target
        "address": "203.0.113.9",
        "http_version": "1.1",
        "headers": {"user-agent": agent},
    }
    return Hit(**{**values, **facts})


@pytest.fixture
def desk(history_address: str, rules: Rules) -> Iterator[Desk]:
    desk = Desk(history_address, rules)
    yield desk
    desk.history.close()


# the sender's own


def test_a_browser_that_opened_the_own_link_is_the_senders(desk: Desk) -> None:
    mark = hit(desk.user.id, path_kind="s", token="b" * 29)
    assert is_mark(mark)
    assert desk.do(lambda t: take_mark(t, mark))
    number = desk.deliver(1)
    desk.see(hit(number), hit(number, 90, address="192.0.2.4"))
    assert desk.types(number)[1:] == [EventType.SELF_VIEWED, EventType.OPENED]


@pytest.mark.parametrize(
    "facts",
    [
        {"method": "HEAD"},
        {"headers": {"user-agent": FIREFOX, "sec-purpose": "prefetch"}},
        {"headers": {}},
        {"delivery_id": None},
        {"delivery_id": 4711},
    ],
)
def test_nothing_else_marks_a_browser(desk: Desk, facts: dict[str, Any]) -> None:
    mark = hit(**{"delivery_id": desk.user.id, "path_kind": "s", **facts})
    assert not desk.do(lambda t: take_mark(t, mark))


def test_a_mark_of_another_account_says_nothing(desk: Desk) -> None:
    def another(t: Transaction) -> int:
        account = t.add_account("another", DELIVERED_AT)
        return t.add_user(account.id, "you", "hash", DELIVERED_AT).id

    other = desk.do(another)
    desk.do(lambda t: take_mark(t, hit(other, path_kind="s")))
    number = desk.deliver(1)
    desk.see(hit(number))
    assert desk.types(number)[1:] == [EventType.OPENED]


def test_the_network_where_mail_came_in_is_evidence_and_no_proof(desk: Desk) -> None:
    body = {"account_id": desk.account_id, "submitter_network": "203.0.113.0/24"}
    told = SpoolEvent(
        seq=1, type=EventType.QUEUED, at=DELIVERED_AT, message_id=1, delivery_id=None, body=body
    )
    desk.do(lambda t: take_networks(t, [told]))
    number = desk.deliver(1)
    desk.see(hit(number))
    with desk.history.reading() as t:
        (event,) = (e.event for e in t.events_of([number]) if e.hit_id is not None)
    assert "history.sender_network" in {e.signal for e in event.evidence}
    assert event.type is not EventType.SELF_VIEWED


def test_after_a_reply_the_authors_network_is_the_author(desk: Desk) -> None:
    desk.do(lambda t: t.add_own_network(desk.account_id, "203.0.113.0/24", DELIVERED_AT))
    number = desk.deliver(1)
    desk.see(hit(number, 30), hit(number, 300))
    assert EventType.SELF_VIEWED not in desk.types(number)
    desk.reply(number, DELIVERED_AT + timedelta(minutes=200))
    desk.see(hit(number, 310))
    assert desk.types(number)[-2:] == [EventType.SELF_VIEWED, EventType.SELF_VIEWED]
    assert desk.level(number) is VerdictLevel.ANSWERED


GMAIL = {
    "address": "66.249.84.1",
    "headers": {"user-agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"},
}


@pytest.mark.parametrize(
    ("author", "recipient", "is_senders"),
    [
        ("Me <me@gmail.com>", "a@naver.com", True),
        ("me@GoogleMail.com", "a@163.com", True),
        ("me@gmail.com", "a@gmail.com", False),  # the recipient's own provider fetched it
        ("me@gmail.com", "a@corp.test", False),  # perhaps kept by Google too
        ("me@corp.test", "a@naver.com", False),  # the sender's own may be elsewhere
        ("me@naver.com", "a@163.com", False),
    ],
)
def test_a_fetch_by_the_authors_provider_is_theirs_once_they_have_a_copy(
    desk: Desk, author: str, recipient: str, is_senders: bool
) -> None:
    number = desk.deliver(1, recipient, author)
    desk.see(hit(number, 30, **GMAIL))
    assert EventType.SELF_VIEWED not in desk.types(number)
    desk.reply(number, DELIVERED_AT + timedelta(minutes=200))
    desk.see(hit(number, 310, **GMAIL))
    assert desk.types(number).count(EventType.SELF_VIEWED) == is_senders


def test_mail_that_was_handed_back_lies_with_its_author_from_the_first(desk: Desk) -> None:
    number = desk.deliver(1, "a@naver.com", "me@gmail.com")
    queued = Event(type=EventType.QUEUED, at=DELIVERED_AT, raw={"sent_by": "submitter"})
    desk.do(lambda t: t.add_events([StoredEvent(delivery_id=number, event=queued)]))
    desk.see(hit(number, 30, **GMAIL))
    assert EventType.SELF_VIEWED in desk.types(number)


@pytest.mark.parametrize("network", ["127.0.0.0/24", "::/48", "unix:"])
def test_the_machine_itself_is_no_network_of_the_sender(desk: Desk, network: str) -> None:
    desk.do(lambda t: t.add_own_network(desk.account_id, network, DELIVERED_AT))
    assert desk.do(lambda t: t.own_networks(DELIVERED_AT)) == {}


# the recipient's past


def test_a_recipients_earlier_device_and_network_are_known_again(desk: Desk) -> None:
    first, second = desk.deliver(1), desk.deliver(2)
    desk.see(hit(first))
    desk.see(hit(second))
    with desk.history.reading() as t:
        (event,) = (e.event for e in t.events_of([second]) if e.hit_id is not None)
    assert {"network.known", "history.known_device"} <= {e.signal for e in event.evidence}
    with desk.history.reading() as t:
        (event,) = (e.event for e in t.events_of([first]) if e.hit_id is not None)
    assert "network.known" not in {e.signal for e in event.evidence}


def test_a_stranger_after_a_known_recipient_is_a_third_person(desk: Desk) -> None:
    first, second = desk.deliver(1), desk.deliver(2)
    desk.see(hit(first))
    desk.see(hit(second), hit(second, 500, CHROME, address="192.0.2.77"))
    with desk.history.reading() as t:
        events = [e.event for e in t.events_of([second]) if e.hit_id is not None]
    assert [e.raw["actor"] for e in events] == ["human", "third_party"]


def test_another_recipients_past_says_nothing(desk: Desk) -> None:
    first, second = desk.deliver(1, "b@corp.test"), desk.deliver(2)
    desk.see(hit(first))
    desk.see(hit(second))
    with desk.history.reading() as t:
        (event,) = (e.event for e in t.events_of([second]) if e.hit_id is not None)
    assert "network.known" not in {e.signal for e in event.evidence}


def test_whoever_alters_tokens_is_a_scanner_elsewhere_too(desk: Desk) -> None:
    number = desk.deliver(1)
    desk.see(hit(None, 59, token="a" * 28 + "%"), hit(number, agent=CHROME))
    assert desk.types(number)[1:] == [EventType.SCANNED]


# a domain's past


def test_a_domain_full_of_scanners_is_expected_to_scan(desk: Desk, rules: Rules) -> None:
    for number in range(1, 31):
        desk.deliver(number)
        desk.see(
            hit(number * 100, 1, "curl/8", path_kind="c", target=1, address=f"192.0.2.{number}")
        )
    while desk.do(lambda t: count_some(t, rules, NOW)):
        pass
    assert desk.do(lambda t: learn(t, rules, NOW))
    learned = desk.do(lambda t: t.learned())
    assert learned.version == 1
    assert [(s.domain, s.kind, s.people, s.machines) for s in learned.shares] == [
        ("corp.test", "click", 0, 30)
    ]
    assert with_learned(rules, learned).expected["corp.test", "click"] < 0.25
    # each event counts once, and what says nothing new is no new version
    assert desk.do(lambda t: count_some(t, rules, NOW)) == 0
    assert not desk.do(lambda t: learn(t, rules, NOW + timedelta(hours=23)))
    assert not desk.do(lambda t: learn(t, rules, NOW + timedelta(hours=25)))


def test_other_rules_learn_anew(desk: Desk, rules: Rules, tmp_path: Path) -> None:
    desk.deliver(1)
    desk.see(hit(100, 1, "curl/8", path_kind="c", target=1))
    assert desk.do(lambda t: count_some(t, rules, NOW)) == 1
    (tmp_path / "site.toml").write_text(SITE)
    assert desk.do(lambda t: count_some(t, load_rules(tmp_path / "site.toml"), NOW)) == 1
    assert sum(s.machines for s in desk.do(lambda t: t.learned_counts())) == 1


def test_a_refreshed_list_forgets_nothing(desk: Desk, rules: Rules) -> None:
    desk.deliver(1)
    desk.see(hit(100, 1, "curl/8", path_kind="c", target=1))
    assert desk.do(lambda t: count_some(t, rules, NOW)) == 1
    refreshed = replace(rules, version=f"{rules.version}+lists20261128")
    assert desk.do(lambda t: count_some(t, refreshed, NOW)) == 0


def test_what_has_not_settled_is_not_learned_from(desk: Desk, rules: Rules) -> None:
    desk.deliver(1)
    desk.see(hit(100, 1, "curl/8", path_kind="c", target=1))
    soon = DELIVERED_AT + timedelta(minutes=5)
    assert desk.do(lambda t: count_some(t, rules, soon)) == 0


# the whole history again


def acme(desk: Desk) -> int:
    """A delivery read by a program that only the site's own rules know."""
    number = desk.deliver(1)
    desk.deliver(2, "b@corp.test")
    desk.see(hit(number, agent="Acme-Reader/3"), hit(200))
    return number


def site_rules(folder: Path) -> Rules:
    (folder / "site.toml").write_text(SITE)
    return load_rules(folder / "site.toml")


def test_the_same_rules_change_nothing(desk: Desk, rules: Rules) -> None:
    acme(desk)
    so_far = Rejudging()
    assert list(rejudge(desk.history, rules, NOW, so_far=so_far)) == []
    assert (so_far.hits, so_far.deliveries, so_far.hits_changed) == (2, 2, 0)


def test_better_rules_change_judgements_verdicts_and_rollups(desk: Desk, tmp_path: Path) -> None:
    number = acme(desk)
    assert desk.opened() == 1
    changes = list(rejudge(desk.history, site_rules(tmp_path), NOW, so_far=Rejudging()))
    assert [(c.delivery_id, c.hit_id is None) for c in changes] == [(number, False), (number, True)]
    assert "client.mail_app" in changes[0].change.why
    assert desk.types(number)[1:] == [EventType.OPENED]
    assert desk.level(number) is VerdictLevel.OPENED
    assert desk.opened() == 2
    with desk.history.reading() as t:
        versions = {e.event.raw["rules_version"] for e in t.events_of([number, 200]) if e.hit_id}
    assert versions == {site_rules(tmp_path).version}


def test_a_dry_run_tells_the_same_and_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    number = acme(desk)
    before = desk.types(number)
    other = site_rules(tmp_path)
    told = list(rejudge(desk.history, other, NOW, dry_run=True, so_far=Rejudging()))
    assert desk.types(number) == before
    assert told == list(rejudge(desk.history, other, NOW, so_far=Rejudging()))


def test_only_what_happened_since_is_judged_again(desk: Desk, tmp_path: Path) -> None:
    acme(desk)
    so_far, late = Rejudging(), DELIVERED_AT + timedelta(hours=5)
    assert not list(rejudge(desk.history, site_rules(tmp_path), NOW, since=late, so_far=so_far))
    assert so_far.deliveries == 0


def test_neighbours_on_other_deliveries_count_again(desk: Desk, rules: Rules) -> None:
    """One address at five recipients within seconds, each judged before the next was seen."""
    for number in range(1, 6):
        desk.deliver(number, f"r{number}@d{number}.test")
    for number in range(1, 6):
        desk.see(hit(number * 100, 60 + number / 60, CHROME, path_kind="c", target=1))
    first = desk.types(100)[1]
    list(rejudge(desk.history, rules, NOW, so_far=Rejudging()))
    assert first is not EventType.SCANNED
    assert [desk.types(n * 100)[1] for n in range(1, 6)] == [EventType.SCANNED] * 5


def test_the_command_says_what_would_change_and_then_changes_it(
    tmp_path: Path, rules: Rules
) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'history.db'}", rules)
    number = acme(desk)
    (tmp_path / "site.toml").write_text(SITE)
    source = SettingsSource(file=None, overrides=(f"data.directory={tmp_path}",))

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(
            command, ["--rules", str(tmp_path / "site.toml"), *arguments], obj=source
        )

    dry = call("--dry-run")
    assert "1 hits would change" in dry.output
    assert "nothing was written" in dry.output
    lines = [json.loads(line) for line in call("--json").stdout.splitlines()]
    assert lines[0]["delivery_id"] == str(number)
    assert lines[-1]["summary"]["verdicts_changed"] == 1
    assert "0 hits changed" in call().output
    assert "such as 2026-11-01" in str(call("--since", "yesterday").exception)

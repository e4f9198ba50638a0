"""The operator's commands on what the history holds: readable, for programs, with a next step."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailglass.cli import cli
from mailglass.errors import InputError
from mailglass.history import History, StoredEvent, StoredMessage, add_administrator
from mailglass.model import Delivery, Event, EventType, Target, TargetKind, TrackingPolicy
from mailglass.spool import Spool, Submission
from product import PROJECT

NOW = datetime.now(UTC)


class Desk:
    """An operator at the command line of an installation with two messages."""

    def __init__(self, data: Path, address: str) -> None:
        self.data = data
        self.options = ("--data", str(data), "--set", f"history.url={address}")
        history = History(address)
        assert add_administrator(history, "http://127.0.0.1") is not None
        for number, subject in ((1, "hello"), (2, "again")):
            _send(history, number, subject)
        history.close()

    def run(self, *words: str, answer: str = "") -> Result:
        return CliRunner().invoke(cli, [*self.options, *words], input=answer)

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def lines(self, *words: str) -> list[Any]:
        return [json.loads(line) for line in self(*words, "--json").splitlines()]

    def refused(self, *words: str) -> str:
        """What `main` prints as one line on stderr, with the status of wrong input."""
        error = self.run(*words).exception
        assert isinstance(error, InputError), error
        assert error.exit_status == 65
        return str(error)


def _send(history: History, number: int, subject: str) -> None:
    message = StoredMessage(
        id=number,
        account_id=1,
        accepted_at=NOW - timedelta(hours=1),
        return_path="me@home.test",
        author="me@home.test",
        subject=subject,
        message_id_field=f"<{number}@home.test>",
        campaign="spring",
        targets=(Target(number=1, kind=TargetKind.LINK, url="https://example.org/"),),
    )
    with history.transaction() as t:
        t.add_message(message, [Delivery(id=number * 100, message_id=number, recipient="a@x.test")])
        events = [
            StoredEvent(delivery_id=number * 100, event=Event(type=type_, at=NOW))
            for type_ in (EventType.QUEUED, EventType.DELIVERED)
        ]
        t.add_events(events)


@pytest.fixture
def desk(tmp_path: Path, history_address: str) -> Desk:
    return Desk(tmp_path, history_address)


@pytest.fixture
def plain(tmp_path: Path) -> Desk:
    """On SQLite alone, for what does not depend on the database."""
    return Desk(tmp_path, f"sqlite:///{tmp_path / 'history.db'}")


def test_messages_are_listed_and_shown(desk: Desk) -> None:
    assert [m["id"] for m in desk.lines("message", "list")] == ["2", "1"]
    assert [m["id"] for m in desk.lines("message", "list", "hello")] == ["1"]
    assert desk.lines("message", "list", "--campaign", "autumn") == []
    assert desk("message", "list").splitlines()[0].startswith("message")
    shown = desk.json("message", "show", "<1@home.test>")
    assert shown["counts"]["delivered"] == 1
    assert shown["targets"][0]["url"] == "https://example.org/"
    assert "https://example.org/" in desk("message", "show", "100")
    assert "`mailglass message list`" in desk.refused("message", "show", "999")


def test_consents_are_written_down_listed_and_withdrawn(desk: Desk) -> None:
    desk("consent", "add", "A@x.test", "--how", "form", "--shown", "May we?", "--proof", "form=7")
    done = desk.json("consent", "withdraw", "a@X.test")
    assert done["deliveries"] == ["100", "200"]
    given, withdrawn = desk.lines("consent", "list", "a@x.test")
    assert (given["state"], given["shown"], given["proof"]) == ("given", "May we?", {"form": "7"})
    assert withdrawn["state"] == "withdrawn"
    assert "May we?" in desk("consent", "list")
    assert desk.lines("consent", "list", "b@x.test") == []


def test_consent_without_the_words_that_were_shown_is_refused(plain: Desk) -> None:
    done = plain.run("consent", "add", "a@x.test", "--how", "form")
    assert done.exit_code == 2
    assert "--shown" in done.output


def test_a_withdrawal_reaches_mail_that_still_waits(plain: Desk) -> None:
    spool = Spool(plain.data / "spool.db")
    spool.accept(
        Submission(
            message_id=9,
            accepted_at=NOW,
            return_path="me@home.test",
            raw=b"Subject: x\r\n\r\n",
            deliveries=(Delivery(id=900, message_id=9, recipient="A@x.test"),),
            tracking={},
            facts={"account_id": 1},
        )
    )
    assert plain.json("consent", "withdraw", "a@x.test")["waiting"] == 1
    assert spool.waiting()[0].policy is TrackingPolicy.OFF


def test_policies_are_set_listed_and_removed(plain: Desk) -> None:
    assert "every recipient" in plain("policy", "list")
    plain("policy", "set", "account", "--tracking", "identified", "--without-consent", "anonymous")
    plain("policy", "set", "domain", "Gov.test", "--tracking", "off", "--after-a-no", "erase")
    account, domain = plain.lines("policy", "list")
    assert (account["tracking"], account["without_consent"]) == ("identified", "anonymous")
    assert (domain["subject"], domain["after_a_no"]) == ("gov.test", "erase")
    plain("policy", "remove", "domain", "gov.test")
    assert "`mailglass policy list`" in plain.refused("policy", "remove", "domain", "gov.test")


def test_retention_is_shown_set_and_run(plain: Desk) -> None:
    assert "it has not run yet" in plain("retention", "show")
    plain("retention", "set", "hits", "7")
    assert plain.json("retention", "run")["removed"]["hits"] == 0
    shown = plain.json("retention", "show")
    assert shown["days"]["full-addresses"] == 30
    assert shown["accounts"] == {"default": {"hits": 7}}
    assert shown["last_run"]["ended_at"]


def test_a_person_and_the_events_are_exported(desk: Desk, tmp_path: Path) -> None:
    desk("consent", "add", "a@x.test", "--how", "form", "--shown", "May we?")
    person = json.loads(desk("export", "person", "A@x.test"))
    assert [d["delivery_id"] for d in person["deliveries"]] == ["100", "200"]
    assert person["waiting"] == []
    events = [json.loads(line) for line in desk("export", "events").splitlines()]
    assert [(e["type"], e["recipient"]) for e in events] == [
        ("queued", "a@x.test"),
        ("delivered", "a@x.test"),
    ] * 2
    desk("export", "events", "--csv", "--to", str(tmp_path / "events.csv"))
    table = (tmp_path / "events.csv").read_text().splitlines()
    assert table[0].startswith("id,at,type,")
    assert len(table) == 5


def test_a_person_is_erased_after_a_question(desk: Desk) -> None:
    assert desk.run("erase", "a@x.test", answer="n\n").exit_code == 1
    assert json.loads(desk("export", "person", "a@x.test"))["deliveries"]
    assert desk.json("erase", "a@x.test", "--yes")["erased"]["deliveries"] == 2
    assert json.loads(desk("export", "person", "a@x.test"))["deliveries"] == []
    assert "(" not in desk("message", "list", "a@x.test")


def test_suppressions_are_added_listed_and_removed(plain: Desk) -> None:
    plain("suppression", "add", "A@x.test", "--reason", "asked by telephone", "--days", "3")
    (entry,) = plain.lines("suppression", "list")
    assert (entry["recipient"], entry["reason"]) == ("a@x.test", "asked by telephone")
    assert plain.lines("suppressions") == [entry]
    assert plain.json("suppression", "remove", "a@x.test") == {"removed": 1}
    assert "`mailglass suppression list`" in plain.refused("suppression", "remove", "a@x.test")


def test_accounts_and_users_are_added_listed_and_let_go(plain: Desk) -> None:
    plain("account", "add", "shop")
    assert "choose another name" in plain.refused("account", "add", "shop")
    assert plain.json("user", "add", "anna", "--account", "shop", "--role", "member")["password"]
    assert "name an account with --account" in plain.refused(
        "policy", "set", "account", "--tracking", "off"
    )
    users = {u["user"]: u for u in plain.lines("user", "list")}
    assert (users["anna"]["account"], users["anna"]["role"]) == ("shop", "member")
    assert "only owner" in plain.refused("user", "remove", "admin", "--yes")
    plain("user", "remove", "anna", "--yes")
    assert [u["user"] for u in plain.lines("user", "list")] == ["admin"]
    assert "`mailglass user list`" in plain.refused("user", "remove", "anna", "--yes")
    plain("user", "add", "anna", "--account", "shop", "--role", "read-only")
    assert {u["user"]: u["role"] for u in plain.lines("user", "list")}["anna"] == "read-only"
    plain("user", "add", "anna")
    assert {u["user"]: u["role"] for u in plain.lines("user", "list")}["anna"] == "read-only"
    plain("account", "close", "shop", "--yes")
    assert [a["name"] for a in plain.lines("account", "list")] == ["default"]
    assert [u["user"] for u in plain.lines("user", "list")] == ["admin"]
    assert plain.json("account", "show", "default")["users"][0]["name"] == "admin"


@pytest.mark.parametrize(
    "words",
    [
        ("key", "revoke", "99999999999999999999"),
        ("delivery", "show", "99999999999999999999"),
        ("message", "list", "--before", "99999999999999999999"),
        ("webhook", "replay", "99999999999999999999"),
        ("webhook", "add", "http://["),
        ("webhook", "add", "http://h.test:99999/"),
        ("retention", "set", "hits", "999999"),
    ],
)
def test_words_that_cannot_be_meant_are_a_fault_of_use(plain: Desk, words: tuple[str, ...]) -> None:
    assert plain.run(*words).exit_code == 2


def test_deliveries_are_listed_and_shown(desk: Desk) -> None:
    assert [d["id"] for d in desk.lines("delivery", "list")] == ["200", "100"]  # the newest first
    assert [d["id"] for d in desk.lines("delivery", "list", "--recipient", "A@x.test")]
    assert desk.lines("delivery", "list", "--domain", "y.test") == []
    shown = desk.json("delivery", "show", "100")
    assert (shown["recipient"], shown["tracking"]) == ("a@x.test", "identified")
    assert [e["type"] for e in shown["events"]] == ["queued", "delivered"]
    assert "mailglass timeline 100" in desk("delivery", "show", "100")
    assert "`mailglass delivery list`" in desk.refused("delivery", "show", "999")


def test_counts_are_shown_by_any_dimension(desk: Desk) -> None:
    (whole,) = desk.lines("stats")
    assert (whole["account"], whole["delivered"]) == ("default", 2)
    (spring,) = desk.lines("stats", "--by", "campaign", "--name", "spring")
    assert (spring["campaign"], spring["queued"]) == ("spring", 2)
    assert {m["message"] for m in desk.lines("stats", "--by", "message")} == {"1", "2"}
    assert desk.lines("stats", "--period", "hour")
    assert desk.run("stats", "--by", "domain", "--period", "hour").exit_code == 2
    assert desk("stats", "--by", "domain").splitlines()[1].startswith("x.test")


def test_webhooks_are_added_listed_paused_and_removed(plain: Desk) -> None:
    made = plain.json("webhook", "add", "https://hook.test/x", "--event", "opened")
    number = str(made["id"])
    assert made["secret"].startswith("whsec_")
    (listed,) = plain.lines("webhook", "list")
    assert (listed["types"], "secret" in listed) == (["opened"], False)
    plain("webhook", "state", number, "paused")
    assert plain.lines("webhook", "list")[0]["state"] == "paused"
    assert plain.lines("webhook", "notices", number, "--state", "dead") == []
    assert plain.json("webhook", "replay", number) == {"replayed": 0}
    plain("webhook", "remove", number, "--yes")
    assert "`mailglass webhook list`" in plain.refused("webhook", "replay", number)
    assert plain.run("webhook", "add", "ftp://hook.test/").exit_code == 2


def test_the_commands_of_the_how_to_on_privacy_run(plain: Desk) -> None:
    """In their order, against a history that knows the person."""
    text = (PROJECT / "docs" / "howto" / "privacy.md").read_text("utf-8").replace("\\\n", " ")
    fenced = text.split("```")[1::2]
    commands = [line for block in fenced for line in block.splitlines() if line]
    assert len(commands) >= 8
    for line in commands:
        words = shlex.split(line.partition(" > ")[0])
        assert words[0] == "mailglass"
        done = plain.run(*words[1:], answer="y\n")
        assert done.exit_code == 0, (line, done.output, done.exception)


@pytest.mark.parametrize(
    "words",
    [
        *(
            f"policy set domain {name!r} --tracking off"
            for name in ("@off.test", "x@off.test", "*.off.test", "bad domain", "off..test")
        ),
        "policy set recipient notanaddress --tracking off",
        "policy set recipient off.test --tracking off",
        "consent withdraw nonsense",
        "consent add a@b@c --how form --shown yes",
        "suppression add 'Name <t@ex.test>'",
        "suppression add 't@ex.test, u@ex.test'",
        "user add ''",
        "user add '  '",
        "user add 'a\tb'",
    ],
)
def test_what_could_fit_nobody_is_refused_with_its_value(desk: Desk, words: str) -> None:
    said = desk.refused(*shlex.split(words))
    value = next(w for w in shlex.split(words)[2:] if w not in ("domain", "recipient"))
    assert repr(value) in said
    assert desk.lines("policy", "list") == desk.lines("consent", "list") == []
    assert desk.lines("suppression", "list") == []
    assert [user["user"] for user in desk.lines("user", "list")] == ["admin"]


def test_subjects_are_kept_and_told_in_their_form_for_comparing(desk: Desk) -> None:
    assert "xn--fsqu00a.cn" in desk("policy", "set", "domain", "例子.CN.", "--tracking", "off")
    desk("policy", "set", "recipient", '"a b"@Example.net', "--tracking", "off")
    subjects = [row["subject"] for row in desk.lines("policy", "list")]
    assert subjects == ["xn--fsqu00a.cn", '"a b"@example.net']
    desk("policy", "remove", "domain", "例子.cn")


def test_people_read_a_domain_in_its_script_and_programs_as_it_is_kept(desk: Desk) -> None:
    desk("suppression", "add", "r@xn--fsqu00a.cn")
    desk("consent", "withdraw", "r@例子.cn")
    desk("policy", "set", "recipient", "R@例子.cn", "--tracking", "off")
    for words in (
        ["suppression", "list"],
        ["suppressions"],
        ["consent", "list"],
        ["policy", "list"],
    ):
        assert "r@例子.cn" in desk(*words)
        assert "xn--" not in desk(*words)
        assert "r@xn--fsqu00a.cn" in str(desk.lines(*words))
    desk("unsuppress", "R@例子.cn")
    assert desk.lines("suppressions") == []

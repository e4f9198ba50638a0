"""What an account may have, whoever asks: the API, the dashboard or the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from happenings import NOON, add_account, add_message, tell
from mailglass.errors import InputError
from mailglass.history import (
    USUAL_SCOPES,
    Belongings,
    Conflict,
    DomainKind,
    EndpointState,
    Filters,
    History,
    LastOwner,
    Policy,
    PolicyScope,
    Role,
)
from mailglass.model import EventType, TrackingPolicy


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.mark.parametrize(
    ("limit", "add"),
    [
        ("_MOST_KEYS", lambda mine, n: mine.add_key(str(n), USUAL_SCOPES, NOON)),
        ("_MOST_DOMAINS", lambda mine, n: mine.add_domain(DomainKind.SENDING, f"{n}.test", NOON)),
        ("_MOST_ENDPOINTS", lambda mine, n: mine.add_endpoint("u", "s", NOON, filters=Filters())),
    ],
)
def test_nobody_has_more_of_a_thing_than_its_limit(
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    add: Callable[[Belongings, int], object],
) -> None:
    monkeypatch.setattr(f"mailglass.history.belongings.{limit}", 2)
    account_id, other = add_account(history), add_account(history, "other")
    with history.transaction() as t:
        add(Belongings(t, account_id), 1)
        add(Belongings(t, account_id), 2)
        with pytest.raises(Conflict, match="the account has 2"):
            add(Belongings(t, account_id), 3)
        add(Belongings(t, other), 3)


def test_keys_that_are_no_longer_good_count_for_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailglass.history.belongings._MOST_KEYS", 1)
    account_id = add_account(history)
    with history.transaction() as t:
        mine = Belongings(t, account_id)
        key, _ = mine.add_key("a", USUAL_SCOPES, NOON, expires_at=NOON + timedelta(days=1))
        mine.add_key("b", USUAL_SCOPES, NOON + timedelta(days=2))
        with pytest.raises(InputError, match="that time has passed"):
            mine.add_key("c", USUAL_SCOPES, NOON, expires_at=NOON)
    assert key.name == "a"


@pytest.mark.parametrize("state", [EndpointState.ENABLED, EndpointState.PAUSED])
def test_what_happened_while_an_endpoint_was_disabled_is_not_sent_afterwards(
    history: History, state: EndpointState
) -> None:
    account_id = add_account(history)
    (delivery,) = add_message(history, account_id, 1, "you@there.test")
    with history.transaction() as t:
        mine = Belongings(t, account_id)
        off = mine.add_endpoint("https://a.test", "s", NOON, filters=Filters())
        mine.change_endpoint(off, state=EndpointState.DISABLED)
    tell(history, delivery, EventType.DELIVERED)
    with history.transaction() as t:
        mine, found = Belongings(t, account_id), t.endpoint(account_id, off.id)
        assert found is not None
        mine.change_endpoint(found, state=EndpointState.DISABLED, description="still off")
        still = t.endpoint(account_id, off.id)
        mine.change_endpoint(found, state=state)
        back, last = t.endpoint(account_id, off.id), t.last_event_id()
    assert still is not None
    assert back is not None
    assert still.last_event_id == off.last_event_id < back.last_event_id == last


def test_an_account_keeps_an_owner(history: History) -> None:
    account_id, other = add_account(history), add_account(history, "other")
    with history.transaction() as t:
        owner = t.add_user(account_id, "o", "", NOON, Role.OWNER)
        member = t.add_user(account_id, "m", "", NOON, Role.MEMBER)
        mine = Belongings(t, account_id)
        with pytest.raises(LastOwner):
            mine.set_role(owner.id, Role.MEMBER)
        with pytest.raises(LastOwner):
            mine.remove_user(owner.id, NOON)
        with pytest.raises(InputError, match="no such user"):
            Belongings(t, other).remove_user(member.id, NOON)
        mine.set_role(member.id, Role.OWNER)
        mine.remove_user(owner.id, NOON)
        assert [user.name for user in t.users(account_id)] == ["m"]


@pytest.mark.parametrize(
    ("scope", "subject"), [(PolicyScope.ACCOUNT, "x.test"), (PolicyScope.DOMAIN, " ")]
)
def test_a_policy_names_what_it_is_about(
    history: History, scope: PolicyScope, subject: str
) -> None:
    account_id = add_account(history)
    policy = Policy(
        account_id=account_id,
        scope=scope,
        subject=subject,
        mode=TrackingPolicy.OFF,
        set_at=NOON,
        set_by="o",
    )
    with history.transaction() as t, pytest.raises(InputError, match="name the domain"):
        Belongings(t, account_id).set_policy(policy)

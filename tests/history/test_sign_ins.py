"""Who is let in by a password, and who has to wait, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import argon2
import pyotp
import pytest
import sqlalchemy as sa

from mailglass.history import (
    History,
    PasswordCheck,
    add_administrator,
    check_password,
    new_user,
    schema,
    sign_in_with_password,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOME, STRANGER = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def history(history_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    quick = argon2.PasswordHasher(
        time_cost=1, memory_cost=8, parallelism=1
    )  # it is not what is tested here
    monkeypatch.setattr("mailglass.history.credentials._hasher", quick)
    monkeypatch.setattr("mailglass.history.credentials._NOBODY", quick.hash("of nobody"))
    one = History(history_address)
    add_administrator(one, "http://127.0.0.1")
    yield one
    one.close()


def come(history: History, password: str, address: str, now: datetime = NOW) -> PasswordCheck:
    return check_password(history, "mei", password, now=now, address=address)


def test_ten_wrong_passwords_make_a_name_wait_a_quarter_of_an_hour(history: History) -> None:
    password = new_user(history, "mei")
    for minute in range(10):
        come(history, "wrong", f"203.0.{minute}.1", NOW + timedelta(minutes=minute))
    last = NOW + timedelta(minutes=9)
    assert come(history, password, STRANGER, last).wait_seconds == 6 * 60
    assert come(history, password, STRANGER, NOW + timedelta(minutes=15)).user is not None


def test_whoever_waits_is_not_counted_again(history: History) -> None:
    password = new_user(history, "mei")
    for second in (*range(11), *range(60, 600, 60)):
        come(history, "wrong", STRANGER, NOW + timedelta(seconds=second))
    assert come(history, password, STRANGER, NOW + timedelta(seconds=910)).user is not None


def test_a_stranger_does_not_lock_the_network_from_which_a_user_comes(history: History) -> None:
    password = new_user(history, "mei")
    assert sign_in_with_password(history, "mei", password, now=NOW, address=HOME).session
    for _ in range(11):
        come(history, "wrong", STRANGER)
    assert come(history, password, STRANGER).wait_seconds
    assert come(history, password, HOME).user is not None
    assert come(history, password, "127.0.0.1").user is not None
    assert come(history, password, STRANGER).wait_seconds  # that of home does not free others


def test_a_network_from_which_a_user_comes_is_not_free_to_guess_either(history: History) -> None:
    password = new_user(history, "mei")
    sign_in_with_password(history, "mei", password, now=NOW, address=HOME)
    for address in (HOME, "127.0.0.1"):
        for _ in range(10):
            come(history, "wrong", address)
        assert come(history, password, address).wait_seconds


def test_a_name_that_nobody_has_waits_as_well(history: History) -> None:
    for name in ("nobody", "no\0body", "n" * 5000):
        for _ in range(10):
            assert not check_password(history, name, "wrong", now=NOW).wait_seconds
        assert check_password(history, name, "wrong", now=NOW).wait_seconds


def test_the_right_password_forgets_the_wrong_ones(history: History) -> None:
    password = new_user(history, "mei")
    for _ in range(3):
        for _ in range(9):
            come(history, "wrong", HOME)
        assert come(history, password, HOME).user is not None


def test_the_password_alone_frees_no_guesses_at_the_second_factor(history: History) -> None:
    password = new_user(history, "mei")
    secret = pyotp.random_base32()
    with history.transaction() as t:
        user = t.user_named("mei")
        assert user is not None
        t.set_totp_secret(user.id, secret)
    for _ in range(10):
        wrong = sign_in_with_password(history, "mei", password, "000000", now=NOW, address=HOME)
        assert wrong == PasswordCheck()
        come(history, password, HOME)
    code = pyotp.TOTP(secret).at(NOW)
    locked = sign_in_with_password(history, "mei", password, code, now=NOW, address=HOME)
    assert locked.wait_seconds


def test_a_new_password_by_the_operator_ends_the_wait(history: History) -> None:
    new_user(history, "mei")
    for _ in range(11):
        come(history, "wrong", STRANGER)
    assert come(history, new_user(history, "mei"), STRANGER).user is not None


def test_failures_that_no_longer_count_are_not_kept(history: History) -> None:
    for minutes in range(0, 60, 20):
        check_password(history, str(minutes), "wrong", now=NOW + timedelta(minutes=minutes))
    with history._engine.connect() as db:
        count = sa.select(sa.func.count()).select_from(schema.failed_sign_in)
        assert db.execute(count).scalar() == 1

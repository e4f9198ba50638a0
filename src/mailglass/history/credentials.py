"""Who may come in: passwords, one-time login links and browser sessions.

Passwords are kept as argon2id hashes; links and sessions are 256 random bits, of which a plain hash
is kept. Each is shown once, at its making.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import argon2
import pyotp

from ..errors import InputError
from ..evidence import network_key
from .records import Role, User
from .store import History, Transaction

__all__ = [
    "ADMINISTRATOR",
    "PasswordCheck",
    "add_administrator",
    "change_password",
    "check_password",
    "end_session",
    "new_login_link",
    "new_user",
    "session_user",
    "set_second_factor",
    "sign_in",
    "sign_in_with_password",
]

ADMINISTRATOR = "admin"

_LOGIN_LINK_HOURS = 24  # long enough to find the terminal again, short enough to be forgotten
_SESSION_DAYS = 14

_hasher = argon2.PasswordHasher()  # argon2id with RFC 9106's low-memory parameters


def add_administrator(history: History, dashboard_url: str) -> tuple[str, str] | None:
    """The first account and user; the password and a login link, None when they exist."""
    with history.transaction() as t:
        if t.user_named(ADMINISTRATOR):
            return None
        account = t.add_account("default", datetime.now(UTC))
        user, password = _add_user(t, account.id, ADMINISTRATOR)
        return password, _add_login_link(t, user, dashboard_url)


def new_user(
    history: History, name: str, account_id: int | None = None, role: Role | None = None
) -> str:
    """Add a user, or give one a new password, which is returned.

    Of the administrator's account unless another is given; a user who was removed comes back. With
    a role they have that one from now on; without, a new user is an owner and others keep theirs.
    """
    with history.transaction() as t:
        user, admin = t.user_named(name), t.user_named(ADMINISTRATOR)
        if account_id is None and admin is None:
            raise InputError("there is no account yet; `mailglass setup` makes it")
        if user is None:
            assert account_id is not None or admin is not None
            owner = account_id if account_id is not None else admin.account_id  # type: ignore[union-attr]
            user = t.enable_user(name, owner)
            if user is None:
                return _add_user(t, owner, name, role or Role.OWNER)[1]
        elif account_id is not None and user.account_id != account_id:
            raise InputError(f"{name} is a user of another account; names are not shared")
        if role is not None:
            t.set_role(user.id, role)
        password = _new_password()
        t.set_password(user.id, _hasher.hash(password))
        t.forget_failed_sign_ins(name)
    return password


def _add_user(
    t: Transaction, account_id: int, name: str, role: Role = Role.OWNER
) -> tuple[User, str]:
    password = _new_password()
    user = t.add_user(account_id, name, _hasher.hash(password), datetime.now(UTC), role)
    return user, password


def _new_password() -> str:
    return secrets.token_urlsafe(15)  # 120 bits, 20 characters to copy


def _add_login_link(t: Transaction, user: User, dashboard_url: str) -> str:
    token = secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(hours=_LOGIN_LINK_HOURS)
    t.add_login_link(_hash(token), user.id, expires_at)
    return f"{dashboard_url}/login/{token}"


def new_login_link(history: History, name: str, dashboard_url: str) -> str:
    """A link that signs a user in once."""
    with history.transaction() as t:
        user = t.user_named(name)
        if user is None:
            raise InputError(f"there is no user `{name}`; `mailglass user add {name}` makes one")
        return _add_login_link(t, user, dashboard_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCheck:
    """What came of a name and a password."""

    user: User | None = None  # None when they are wrong, or were not looked at
    session: str | None = None  # the token of the new session, where one was asked for
    wait_seconds: int = 0  # how long nothing is looked at any more; 0 unless that is so


def check_password(
    history: History, name: str, password: str, *, now: datetime | None = None, address: str = ""
) -> PasswordCheck:
    """Whose password this is; the same work whether or not there is such a user.

    `address` is where they come from. Whoever guesses has to wait, here as at the sign-in form:
    both count together (`attempts`).
    """
    now = now or datetime.now(UTC)
    refused = _asked_to_wait(history, name, address, now)
    if refused is not None:
        return refused
    user = _user_with_password(history, name, password)
    if user is None:
        return _refused(history, name, address, now)
    if not user.totp_secret:  # who has only the password must not get new guesses at the code by it
        _forget_failures(history, name, address, now)
    return PasswordCheck(user=user)


def sign_in_with_password(
    history: History,
    name: str,
    password: str,
    code: str = "",
    *,
    now: datetime | None = None,
    address: str = "",
) -> PasswordCheck:
    """A new session, none for a wrong name or password, or a wrong or used code.

    The neighbourhood of `address` is then known as the account's own.
    """
    now = now or datetime.now(UTC)
    refused = _asked_to_wait(history, name, address, now)
    if refused is not None:
        return refused
    user = _user_with_password(history, name, password)
    if user is None:
        return _refused(history, name, address, now)
    with history.transaction() as t:
        if user.totp_secret:
            step = _step_of(user.totp_secret, code, now)
            if step is None or not t.use_totp_step(user.id, step):
                t.add_failed_sign_in(name, address, now)
                return PasswordCheck()
        t.forget_failed_sign_ins(name, address, now)
        return PasswordCheck(user=user, session=_add_session(t, user.id, address))


def _asked_to_wait(
    history: History, name: str, address: str, now: datetime
) -> PasswordCheck | None:
    with history.reading() as t:
        wait_seconds = t.sign_in_wait_seconds(name, address, now)
    return PasswordCheck(wait_seconds=wait_seconds) if wait_seconds else None


def _refused(history: History, name: str, address: str, now: datetime) -> PasswordCheck:
    with history.transaction() as t:
        t.add_failed_sign_in(name, address, now)
    return PasswordCheck()


def _forget_failures(history: History, name: str, address: str, now: datetime) -> None:
    with history.reading() as t:
        if not t.has_failed_sign_ins(name, now):
            return  # nearly always: a mail client that signs in writes nothing
    with history.transaction() as t:
        t.forget_failed_sign_ins(name, address, now)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step of a code (RFC 6238), one early or late allowed; None when it is wrong."""
    totp = pyotp.TOTP(secret)
    for drift in (0, -1, 1):
        at = now + timedelta(seconds=drift * totp.interval)
        if totp.verify(code.replace(" ", ""), for_time=at):
            return totp.timecode(at)
    return None


def set_second_factor(
    history: History, user_id: int, secret: str | None, code: str, *, now: datetime | None = None
) -> bool:
    """Ask for codes of `secret` (base32) from now on; with None for none. False: a wrong code.

    Turning it on takes a code of the new secret, turning it off one of the old; one that is on is
    turned off first, or who only has an open session could put theirs in its place.
    """
    with history.transaction() as t:
        known = t.totp_secret_of(user_id)
        proof = secret or known
        if (
            proof is None
            or (secret and known)
            or _step_of(proof, code, now or datetime.now(UTC)) is None
        ):
            return False
        t.set_totp_secret(user_id, secret)
    return True


def change_password(history: History, user_id: int, password: str, keep_session: str) -> None:
    """Another password; every session of the user but this one ends."""
    with history.transaction() as t:
        t.set_password(user_id, _hasher.hash(password))
        t.end_other_sessions(user_id, _hash(keep_session))


def _user_with_password(history: History, name: str, password: str) -> User | None:
    with history.reading() as t:
        user = None if "\0" in name else t.user_named(name)  # which PostgreSQL does not take
    try:
        _hasher.verify(user.password_hash if user else _NOBODY, password)
    except argon2.exceptions.VerifyMismatchError:
        return None
    return user


_NOBODY = _hasher.hash(secrets.token_urlsafe(15))


def sign_in(history: History, token: str, *, address: str = "") -> str | None:
    """Use a login link; returns the token of a new session, None when the link is not good.

    The neighbourhood of `address` is then known as the account's own.
    """
    with history.transaction() as t:
        user_id = t.use_login_link(_hash(token), datetime.now(UTC))
        if user_id is None:
            return None
        return _add_session(t, user_id, address)


def _add_session(t: Transaction, user_id: int, address: str) -> str:
    session, now = secrets.token_urlsafe(32), datetime.now(UTC)
    t.add_session(_hash(session), user_id, now + timedelta(days=_SESSION_DAYS))
    account_id = t.account_of_user(user_id)
    if address and account_id is not None:
        t.add_own_network(account_id, network_key(address), now, user_id)
    return session


def session_user(history: History, session: str) -> User | None:
    """Who a session belongs to."""
    with history.reading() as t:
        return t.user_of_session(_hash(session), datetime.now(UTC))


def end_session(history: History, session: str) -> None:
    """Sign out."""
    with history.transaction() as t:
        t.end_session(_hash(session))


def _hash(token: str) -> bytes:
    """What is kept of a login link or session: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()

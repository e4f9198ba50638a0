"""What a data directory needs before anything can run: keys, an account, a first user.

Everything secret is shown once, at its making, and kept as a hash; the keys that sign tokens are
the exception, and lie in a file that only its owner reads.
"""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError, StorageUnavailable
from ..guard.pictures import KEY_BYTES
from ..history import ADMINISTRATOR, History, add_administrator
from ..settings import Settings
from ..tokens import Kind, Ring, self_url

__all__ = ["FirstRun", "add_key", "own_link", "picture_key", "prepare", "read_keys"]

_log = logging.getLogger("mailglass.serve")

_KEYS = "token-keys"
_PICTURE_KEY = "guard-proxy-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """What was made, and is shown once."""

    user_name: str
    password: str
    login_link: str


def prepare(settings: Settings) -> FirstRun | None:
    """Make what is missing in the data directory; None when it was all there.

    Raises ConfigurationError when the directory cannot be made or is open to others.
    """
    before = os.umask(0o077)  # addresses and mail are for their owner alone
    try:
        return _prepare(settings)
    finally:
        os.umask(before)


def _prepare(settings: Settings) -> FirstRun | None:
    directory = settings.data_directory
    was_made = (directory / _KEYS).exists()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("journal", "attachments"):
            (directory / name).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"data.directory {directory} cannot be made: {error.strerror}; choose another"
        ) from error
    if not (directory / _KEYS).exists():
        if (directory / "spool.db").exists():
            raise ConfigurationError(
                f"{directory / _KEYS} is missing, and without it no link or beacon in mail already "
                "sent is recognised; restore it from a backup, or give them up with "
                "`mailglass token-key new`"
            )
        add_key(directory)
    history = History(settings.history_address, patient=was_made)
    try:
        made = add_administrator(history, settings.dashboard_url)
    except StorageUnavailable as error:
        if not was_made:
            raise
        # hits and mail are taken while the database is down, also after a restart
        _log.warning("%s; going on without it", error, extra={"action": "history-unavailable"})
        return None
    finally:
        history.close()
    if made is None:
        return None
    password, link = made
    return FirstRun(user_name=ADMINISTRATOR, password=password, login_link=link)


def picture_key(directory: Path) -> bytes:
    """The key of the image proxy, made when there is none; the guards in front read the same file.

    With another key the pictures of all mail cleaned before are blank. Raises ConfigurationError.
    """
    path = directory / _PICTURE_KEY
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be used: {error}") from error
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{path} holds no key of {KEY_BYTES} bytes")
    return key


def own_link(settings: Settings, user_id: int) -> str:
    """The link by which a user marks a browser as the sender's own."""
    ring = Ring(read_keys(settings.data_directory))
    return self_url(settings.tracking_url, ring.mint(Kind.SELF, user_id))


def add_key(directory: Path) -> int:
    """Add a key that signs from the next reload or start on; returns how many there are.

    Old keys stay, because tokens in mail already sent must verify for ever. The file is replaced
    as a whole, so that a crash leaves the old one or the new one.
    """
    path = directory / _KEYS
    lines = [*(path.read_text().splitlines() if path.exists() else []), Ring.new_key().hex()]
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_directory(directory)
    return len(lines)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_keys(directory: Path) -> tuple[bytes, ...]:
    """The keys in the order of their making; raises ConfigurationError for a file that is spoiled.

    A spoiled key is never skipped: the tokens it made would stop verifying in silence.
    """
    path = directory / _KEYS
    try:
        return tuple(bytes.fromhex(line) for line in path.read_text().split())
    except FileNotFoundError:
        raise ConfigurationError(f"{path} is missing; `mailglass setup` makes it") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} holds a line that is no key: {error}") from error

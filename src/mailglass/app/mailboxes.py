"""Follows the ordinary mailboxes that answers come to, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from ..gateway import Mailbox, MailboxConfig, Position
from ..history import History
from ..ingest import is_about_ours
from ..settings import MailboxAddress
from ..tokens import Ring

__all__ = ["follow_mailboxes"]


def follow_mailboxes(
    addresses: Sequence[MailboxAddress], *, poll_seconds: int, history: History, ring: Ring
) -> threading.Event:
    """Begin to follow; returns what, once set, ends it.

    A thread may be ended in the midst: a mail and the place behind it are written at once.
    """
    stopping = threading.Event()
    for address in addresses:
        mailbox = _mailbox(address, history, ring)
        threading.Thread(
            target=mailbox.run,
            args=(stopping, float(poll_seconds)),
            name=f"mailbox {address.host}",
            daemon=True,  # it may be waiting for the server for a minute
        ).start()
    return stopping


def _mailbox(address: MailboxAddress, history: History, ring: Ring) -> Mailbox:
    cursor = f"mailbox:{address.username}@{address.host}:{address.port}/{address.folder}"

    def keep(raw: bytes | None, position: Position) -> None:
        with history.transaction() as t:
            if raw is not None:
                t.add_returned(datetime.now(UTC), "", raw)  # the same mail is kept once
            t.set_cursor(cursor, str(position))

    def is_ours(raw: bytes) -> bool:
        with history.reading() as t:
            return is_about_ours(t, ring, raw, datetime.now(UTC))

    with history.reading() as t:
        known = t.cursor(cursor)
    return Mailbox(
        MailboxConfig(
            host=address.host,
            port=address.port,
            username=address.username,
            password=address.password,
            folder=address.folder,
            security=address.security,
            file_into=address.file_into,
        ),
        keep=keep,
        is_ours=is_ours,
        position=Position.parse(known) if known else None,
    )

"""`mailglass timeline`: what mail and servers say is shown, and steers no terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mailglass.history import History, StoredEvent, StoredMessage, add_administrator
from mailglass.model import Delivery, Event, EventType

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEERING = "\x1b[2J\x1b]0;title\x07\u202e\x9b31m"


def test_characters_that_steer_a_terminal_are_shown_as_what_they_are(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    history = History(f"sqlite:///{data / 'history.db'}")
    assert add_administrator(history, "http://127.0.0.1") is not None
    message = StoredMessage(
        id=2**60 + 1,
        account_id=1,
        accepted_at=NOW,
        return_path="me@home.test",
        author=STEERING,
        subject=STEERING + "你好",
        message_id_field="<1@home.test>",
        campaign=None,
    )
    delivery = Delivery(id=7, message_id=message.id, recipient="a@x.test")
    said = {"reply_code": 550, "reply_text": STEERING}
    with history.transaction() as t:
        t.add_message(message, [delivery])
        event = Event(type=EventType.BOUNCED, at=NOW, raw=said)
        t.add_events([StoredEvent(delivery_id=7, event=event)])
    history.close()
    shown = run_cli("--data", str(data), "timeline", "<1@home.test>").stdout.decode()
    assert not any(c in shown for c in "\x1b\x07\u202e\x9b")
    assert "你好" in shown
    assert "pending, 1%" in shown  # as the sentences say it: nothing is certain
    assert r"\x1b[2J" in shown
    told = json.loads(run_cli("--data", str(data), "timeline", "7", "--json").stdout)
    assert told["id"] == str(2**60 + 1)  # exact for programs that read numbers as doubles
    assert told["deliveries"][0]["events"][0]["raw"]["reply_text"] == STEERING

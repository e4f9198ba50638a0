"""A dashboard for tests, and a browser without a screen that sends our forms as they stand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from mailglass.history import History, StoredEvent, StoredMessage
from mailglass.model import Delivery, Event, EventType
from mailglass.web import Config, Outbox, create_app

CONFIG = Config(host="127.0.0.1", port=1, url="http://127.0.0.1:1")


NOW = datetime.now(UTC)


class Browser(TestClient):
    """Sends the form token that the page before it showed, as a browser's form does."""

    def __init__(
        self, history: History, config: Config = CONFIG, *, outbox: Outbox | None = None
    ) -> None:
        app = create_app(config, history, outbox=outbox)
        super().__init__(app, base_url=config.url, client=("198.51.100.77", 50_000))

    def submit(self, path: str, page: str = "/profile", **fields: Any) -> Response:
        """Fill in the form of a page and send it."""
        token = re.search(r'name="form_token" value="(\w+)"', self.get(page).text)
        assert token is not None, f"{page} has no form"
        return self.post(path, data={"form_token": token[1], **fields})


def send(history: History, account_id: int, number: int, *types: EventType) -> None:
    """A message with one copy, `number` and the next, and some events."""
    message = StoredMessage(
        id=number,
        account_id=account_id,
        accepted_at=NOW,
        return_path="me@home.test",
        author="me@home.test",
        subject=f"subject {number}",
        message_id_field=f"<{number}@home.test>",
    )
    with history.transaction() as t:
        t.add_message(
            message, [Delivery(id=number + 1, message_id=number, recipient="you@there.test")]
        )
        t.add_events(
            [StoredEvent(delivery_id=number + 1, event=Event(type=x, at=NOW)) for x in types]
        )

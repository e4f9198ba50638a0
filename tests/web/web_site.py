"""A dashboard for tests, and a browser without a screen that sends our forms as they stand."""

from __future__ import annotations

import re
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from mailglass.history import History
from mailglass.web import Config, create_app

CONFIG = Config(host="127.0.0.1", port=1, url="http://127.0.0.1:1")


class Browser(TestClient):
    """Sends the form token that the page before it showed, as a browser's form does."""

    def __init__(self, history: History) -> None:
        super().__init__(create_app(CONFIG, history), base_url=CONFIG.url)

    def submit(self, path: str, page: str = "/profile", **fields: Any) -> Response:
        """Fill in the form of a page and send it."""
        token = re.search(r'name="form_token" value="(\w+)"', self.get(page).text)
        assert token is not None, f"{page} has no form"
        return self.post(path, data={"form_token": token[1], **fields})

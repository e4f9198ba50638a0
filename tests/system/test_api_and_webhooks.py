"""A message goes in over the API, and what becomes of it comes out over a webhook; real roles."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import standardwebhooks
from installation import PATIENCE_SECONDS, running

from postgres import PostgresServer


class Hook(ThreadingHTTPServer):
    """An endpoint that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.news = threading.Condition()

    def wait_for(self, event_type: str) -> tuple[dict[str, str], bytes]:
        def found() -> tuple[dict[str, str], bytes] | None:
            return next((g for g in self.got if json.loads(g[1])["type"] == event_type), None)

        with self.news:
            assert self.news.wait_for(lambda: found() is not None, PATIENCE_SECONDS), self.got
        got = found()
        assert got is not None
        return got


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.news:
            self.server.got.append((dict(self.headers), body))
            self.server.news.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_message_in_over_the_api_is_told_out_over_a_webhook(tmp_path: Path) -> None:
    hook = Hook()
    listening = threading.Thread(target=hook.serve_forever)
    listening.start()
    try:
        with running(
            tmp_path / "data",
            smarthost_host="127.0.0.1",
            smarthost_port="9",  # nobody listens there: the delivery is put off, and told so
            smarthost_security="none",
            notify_allow__networks="127.0.0.0/8",
        ) as glass:
            key = json.loads(glass.command("key", "add", "shop", "--json").stdout)["key"]
            with httpx.Client(
                base_url=f"{glass.web_url}/api/v1",
                headers={"Authorization": f"Bearer {key}"},
                timeout=PATIENCE_SECONDS,
            ) as client:
                url = f"http://127.0.0.1:{hook.server_port}/hook"
                made = client.post("/webhooks", json={"url": url})
                assert made.status_code == 201, made.text
                sent = client.post(
                    "/messages",
                    json={"from": "王 <me@home.test>", "to": ["a@x.test"], "text": "您好"},
                )
                assert sent.status_code == 202, sent.text
                headers, body = hook.wait_for("deferred")
                told = standardwebhooks.Webhook(made.json()["secret"]).verify(body, headers)
                assert told["data"]["message_id"] == sent.json()["id"]
                assert told["data"]["recipient"] == "a@x.test"
                shown = client.get(f"/messages/{sent.json()['id']}").json()
                assert shown["author"] == "王 <me@home.test>"
            assert glass.stop() == 0
    finally:
        hook.shutdown()
        hook.server_close()
        listening.join()


@pytest.mark.servers
def test_while_the_database_is_down_the_api_says_503_and_the_collector_goes_on(
    tmp_path: Path,
) -> None:
    if PostgresServer.missing():
        pytest.skip("PostgreSQL 15 is not installed; tests/install-servers does it")
    server = PostgresServer()
    server.start()
    try:
        with running(tmp_path / "data", history_url=server.new_database()) as glass:
            key = json.loads(glass.command("key", "add", "shop", "--json").stdout)["key"]
            with httpx.Client(
                base_url=f"{glass.web_url}/api/v1",
                headers={"Authorization": f"Bearer {key}"},
                timeout=PATIENCE_SECONDS,
            ) as client:
                assert client.get("/account").status_code == 200
                server.stop()
                refused = client.get("/account")
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) > 0
                glass.kill("collector")  # it starts again without the database
                picture = httpx.get(f"{glass.tracking_url}/o/{'a' * 29}.gif")
                assert picture.status_code == 200
                server.start()
                assert client.get("/account").status_code == 200
            assert glass.stop() == 0
    finally:
        server.remove()

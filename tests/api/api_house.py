"""The API in this process: over a history, a spool and an intake, with a clock turned by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from happenings import NOON, add_account
from mailglass.gateway import Intake, TrackingDefaults
from mailglass.history import History, Scope
from mailglass.ids import Ids
from mailglass.lookup import Answer, Outcome
from mailglass.spool import Spool
from mailglass.tokens import Ring
from mailglass.web import Desk, Following, RateLimit, create_api


class Zone:
    """A DNS that knows what it is told."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[str, ...]] = {}
        self.is_down = False

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        if self.is_down:
            return Answer(name=name, kind=kind, outcome=Outcome.TIMEOUT, detail="nobody answers")
        found = self.records.get((name, kind), ())
        outcome = Outcome.ANSWERS if found else Outcome.NXDOMAIN
        return Answer(name=name, kind=kind, outcome=outcome, records=found)


class ApiHouse:
    """Everything behind the API, and clients for it."""

    def __init__(self, folder: Path, *, address: str | None = None, **desk: Any) -> None:
        self.now = NOON
        self.folder = folder
        self.folder = folder
        self.history = History(address or f"sqlite:///{folder / 'history.db'}")
        self.spool = Spool(folder / "spool.db")
        self.zone = Zone()
        self.account_id = add_account(self.history)
        self.intake = Intake(
            spool=self.spool,
            ids=Ids(node=2),
            ring=Ring([b"k" * 32]),
            store=lambda content, name: "d" * 26,
            tracking=TrackingDefaults(
                base_url="https://t.test",
                opens=True,
                links=True,
                attachments="keep",
                text_links=False,
            ),
            hostname="glass.test",
            clock=lambda: self.now,
        )
        values: dict[str, Any] = {
            "history": self.history,
            "intake": self.intake,
            "following": Following(self.history),
            "resolver": self.zone,
            "tracking_host": "t.test",
            "clock": lambda: self.now,
            "key_limit": RateLimit("key", quota=1_000_000),
            "address_limit": RateLimit("address", quota=1_000_000),
        }
        self.desk = Desk(**{**values, **desk})
        self.api = create_api(self.desk)
        self.app: ASGIApp = Starlette(routes=[Mount("/api/v1", self.api)])

    def key(self, *scopes: Scope, account_id: int | None = None) -> str:
        """The text of a new key; with every scope when none is named."""
        with self.history.transaction() as t:
            return t.add_key(account_id or self.account_id, "test", scopes or Scope, self.now)[1]

    def client(self, key: str | None = None, *, address: str = "192.0.2.1") -> TestClient:
        """A client at an address with a key; one of all scopes when none is given."""
        return TestClient(
            self.app,
            base_url="http://glass.test/api/v1",
            headers={"Authorization": f"Bearer {key or self.key()}"},
            raise_server_exceptions=False,
            client=(address, 50_000),
        )

"""Who is let in, to what, how often; and that errors are problem documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from api_house import ApiHouse
from starlette.testclient import TestClient

from happenings import add_account, add_message, tell
from mailglass.errors import StorageUnavailable
from mailglass.history import DomainKind, History, Scope
from mailglass.model import EventType
from mailglass.web import Config, RateLimit, create_app
from mailglass.web.server import side_by_side


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    return ApiHouse(tmp_path)


@pytest.fixture
def client(house: ApiHouse) -> TestClient:
    return house.client()


SECRET = "only-for-shop"  # stands in everything of the other account


def routes(house: ApiHouse) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of everything that the document names."""
    document = house.api.openapi()
    return [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def test_every_route_but_none_needs_a_key(house: ApiHouse) -> None:
    stranger = house.client("mg_wrong")
    for method, path, _ in routes(house):
        answer = stranger.request(method, path.replace("{", "1").replace("}", ""))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["id"] == "key-missing"


def test_every_route_needs_the_scope_that_the_document_names(house: ApiHouse) -> None:
    for method, path, operation in routes(house):
        others = [s for s in Scope if s.value != operation["x-scope"]]
        client = house.client(house.key(*others))
        answer = client.request(method, path.format(**IDS), json={})
        assert answer.status_code == 403, (method, path, answer.text)
        assert answer.json()["id"] == "scope-missing"
        assert operation["x-scope"] in answer.json()["detail"]


IDS = {
    "message_id": "7001",
    "delivery_id": "7001000",
    "endpoint_id": "1",
    "notice_id": "ntc_1_1",
    "domain_id": "1",
    "kind": "sending",
    "key_id": "1",
    "recipient": f"{SECRET}@x.test",
    "dimension": "campaign",
}


def fill(house: ApiHouse) -> None:
    """Something of every kind in the first account."""
    (delivery,) = add_message(
        house.history,
        house.account_id,
        7001,
        f"{SECRET}@x.test",
        campaign=SECRET,
        tags=(SECRET,),
        subject=SECRET,
    )
    tell(house.history, delivery, EventType.QUEUED, EventType.CLICKED, raw={"words": SECRET})
    client = house.client(house.key(*Scope))
    assert client.put(f"/suppressions/{SECRET}@x.test", json={}).status_code == 200
    made = client.post("/webhooks", json={"url": "https://hook.test/", "description": SECRET})
    assert made.json()["id"] == IDS["endpoint_id"]
    with house.history.transaction() as t:
        t.add_notices(1, [(1, SECRET)], house.now)
        t.add_domain(house.account_id, DomainKind.SENDING, f"{SECRET}.test", house.now)
        t.add_key(house.account_id, SECRET, Scope, house.now)
    consent = {"recipient": f"{SECRET}@x.test", "state": "given", "how": "form"}
    assert client.post("/consents", json=consent).status_code == 201


BODIES: dict[str, Any] = {
    "/webhooks/{endpoint_id}": {"description": "taken over"},
    "/webhooks/{endpoint_id}/secret": {},
    "/suppressions/{recipient}": {},
    "/account": {"name": "mine"},
    "/accounts": {"name": "third"},
    "/keys": {"name": "mine"},
    "/webhooks": {"url": "https://mine.test/"},
    "/domains": {"kind": "sending", "name": "mine.test"},
    "/consents": {"recipient": "b@x.test", "state": "given", "how": "form"},
    "/messages": {"from": "b@x.test", "to": ["c@x.test"], "text": "x"},
    "/messages/instrument": {"from": "b@x.test", "to": ["c@x.test"], "text": "x"},
}


# Whose answer is about one's own account, whatever name stands in it.
_OPEN = {"/statistics/{dimension}", "/consents/{recipient}"}


def test_nothing_of_an_account_is_reached_with_a_key_of_another(house: ApiHouse) -> None:
    fill(house)
    other = add_account(house.history, "other")
    thief = house.client(house.key(account_id=other))
    owner = house.client()
    reached = 0
    for method, path, _ in routes(house):
        if path == "/events/stream":
            continue  # endless; test_streaming walks it
        names = path.format(**IDS)
        body = BODIES.get(path)
        answer = thief.request(method, names, json=body) if body else thief.request(method, names)
        assert answer.status_code < 500, (method, path)
        said = answer.text if method != "PUT" else answer.text.replace(f"{SECRET}@x.test", "")
        assert SECRET not in said.replace(names, "").replace(IDS["recipient"], ""), (method, path)
        if "{" in path and path not in _OPEN and method != "PUT":
            assert answer.status_code in (404, 422), (method, path, answer.text)
        reached += 1
    assert reached == len(routes(house)) - 1
    # and everything of the owner is as it was
    assert thief.get(f"/consents/{SECRET}@x.test").json()["state"] is None
    assert thief.get("/statistics/campaign").json()["items"] == []
    for path in ("/messages/7001", "/deliveries/7001000", "/webhooks/1", "/domains/sending/1"):
        assert owner.get(path).status_code == 200
    assert owner.get("/webhooks/1").json()["description"] == SECRET
    assert owner.get(f"/suppressions/{SECRET}@x.test").status_code == 200
    assert owner.get("/account").json()["name"] == "shop"
    assert owner.get("/webhooks/1/notices").json()["items"][0]["body"] == SECRET


def test_the_owner_reaches_all_of_it(tmp_path: Path, history_address: str) -> None:
    house = ApiHouse(tmp_path, address=history_address)
    fill(house)
    owner = house.client()
    for method, path, _ in routes(house):
        if method == "GET" and path != "/events/stream":
            answer = owner.get(path.format(**IDS))
            assert answer.status_code == 200, (path, answer.text)
    house.history.close()


def test_a_revoked_or_expired_key_opens_nothing(house: ApiHouse) -> None:
    with house.history.transaction() as t:
        key, text = t.add_key(
            house.account_id, "k", Scope, house.now, expires_at=house.now + timedelta(days=1)
        )
    client = house.client(text)
    assert client.get("/account").status_code == 200
    house.now += timedelta(days=1)
    assert client.get("/account").status_code == 401
    house.now -= timedelta(days=1)
    with house.history.transaction() as t:
        assert t.revoke_key(house.account_id, key.id, house.now)
    assert client.get("/account").status_code == 401


def test_a_key_makes_none_that_may_do_more(house: ApiHouse) -> None:
    client = house.client(house.key(Scope.KEYS_WRITE, Scope.MESSAGES_READ))
    refused = client.post("/keys", json={"name": "more", "scopes": ["hits:read"]})
    assert (refused.status_code, refused.json()["id"]) == (403, "scope-missing")
    made = client.post("/keys", json={"name": "less"}).json()
    assert made["scopes"] == ["messages:read"]
    assert house.client(made["key"]).get("/messages").status_code == 200
    assert made["key"] not in house.client().get("/keys").text


def test_a_keys_last_use_is_known_to_the_minute(house: ApiHouse) -> None:
    client = house.client()
    client.get("/account")
    house.now += timedelta(seconds=59)
    client.get("/account")
    (key,) = client.get("/keys").json()["items"]
    assert key["last_used_at"] == "2026-11-28T12:00:00.000Z"
    house.now += timedelta(seconds=1)
    client.get("/account")
    (key,) = client.get("/keys").json()["items"]
    assert key["last_used_at"] == "2026-11-28T12:01:00.000Z"


def test_a_key_hears_how_often_it_may_ask_and_is_told_to_wait(tmp_path: Path) -> None:
    seconds = [0.0]
    limit = RateLimit("key", quota=3, clock=lambda: seconds[0])
    house = ApiHouse(tmp_path, key_limit=limit)
    client, other = house.client(), house.client()
    heard = [client.get("/account").headers["ratelimit"] for _ in range(3)]
    assert heard == ['"key";r=2;t=60', '"key";r=1;t=60', '"key";r=0;t=60']
    seconds[0] = 20.5
    refused = client.get("/account")
    assert refused.status_code == 429
    assert refused.headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert refused.headers["retry-after"] == "40"
    assert refused.json()["id"] == "rate-limited"
    assert other.get("/account").status_code == 200
    seconds[0] = 60
    assert client.get("/account").status_code == 200


def test_whoever_guesses_keys_is_slowed_down(tmp_path: Path) -> None:
    house = ApiHouse(tmp_path, address_limit=RateLimit("address", quota=5))
    stranger = house.client("mg_wrong")
    assert [stranger.get("/account").status_code for _ in range(7)] == [401] * 5 + [429] * 2
    assert house.client().get("/account").status_code == 200


def test_while_the_database_is_down_every_route_says_when_to_come_back(
    house: ApiHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.client()

    def fail(_: History) -> Any:
        raise StorageUnavailable("the history cannot be used: no server")

    monkeypatch.setattr(History, "reading", fail)
    monkeypatch.setattr(History, "transaction", fail)
    for method, path, _ in routes(house):
        answer = client.request(method, path.format(**IDS), json=BODIES.get(path))
        assert answer.status_code == 503, (method, path)
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["id"] == "storage-unavailable"


def test_a_database_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    house = ApiHouse(tmp_path)
    key = house.key()
    house.history.close()
    for file in tmp_path.glob("history.db*"):
        file.rename(tmp_path / f"away-{file.name}")
    (tmp_path / "history.db").mkdir()  # as nothing that can be opened
    late = History(f"sqlite:///{tmp_path / 'history.db'}", patient=True)
    house.api.state.desk = replace(house.desk, history=late)
    client = house.client(key)
    assert client.get("/account").status_code == 503
    (tmp_path / "history.db").rmdir()
    for file in tmp_path.glob("away-*"):
        file.rename(tmp_path / file.name.removeprefix("away-"))
    assert client.get("/account").json()["name"] == "shop"


def test_when_every_connection_is_in_use_it_is_not_a_fault_of_ours(house: ApiHouse) -> None:
    with pytest.raises(StorageUnavailable), house.history.reading():
        raise sqlalchemy.exc.TimeoutError("QueuePool limit reached")


@pytest.mark.parametrize(
    ("method", "path", "status", "id_"),
    [
        ("GET", "/messages/1", 404, "not-found"),
        ("GET", "/messages/99999999999999999999", 422, "input"),
        ("GET", "/messages/9999999999999999999", 404, "not-found"),
        ("GET", "/messages/x", 422, "input"),
        ("GET", "/messages?limit=0", 422, "input"),
        ("GET", "/messages?cursor=!", 422, "input"),
        ("GET", "/messages?cursor=eA", 422, "input"),
        ("GET", "/messages?since=yesterday", 422, "input"),
        ("GET", "/messages?since=2026-11-28T12:00:00", 422, "input"),
        ("GET", "/nothing", 404, "not-found"),
        ("PUT", "/messages", 405, "method-not-allowed"),
        ("POST", "/messages", 422, "input"),
    ],
)
def test_an_error_is_a_problem_document_with_a_stable_id(
    client: TestClient, method: str, path: str, status: int, id_: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["id"]) == (status, id_)
    explained = client.get(problem["type"].removeprefix("/api/v1"))
    assert explained.status_code == 200
    assert explained.text.startswith(id_)


def test_a_fault_of_ours_tells_nothing_of_its_cause(
    house: ApiHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.client()

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(house.history.reading().__enter__().__class__, "account_name", fail)
    answer = client.get("/account")
    assert (answer.status_code, answer.json()["id"]) == (500, "error")
    assert "secret" not in answer.text


def test_no_answer_is_kept_by_anybody(client: TestClient) -> None:
    headers = client.get("/account").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_document_is_openapi_3_1_and_names_every_scope(house: ApiHouse) -> None:
    document = house.client().get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    assert {operation["x-scope"] for _, _, operation in routes(house)} == {s.value for s in Scope}


def test_the_dashboard_and_the_api_stand_side_by_side(house: ApiHouse) -> None:
    config = Config(host="127.0.0.1", port=1, url="http://glass.test")
    house.app = side_by_side(create_app(config, house.history), house.api)
    client = house.client()
    assert client.get("http://glass.test/healthz").json() == {"status": "ok"}
    assert client.get("http://glass.test/login").status_code == 200
    assert client.get("/account").status_code == 200

"""What each resource of the API takes and gives."""

from __future__ import annotations

import base64
import email
import email.policy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_house import ApiHouse
from starlette.testclient import TestClient

from happenings import add_account, add_message, tell
from mailglass.app.roles.intake import new_intake
from mailglass.errors import StorageUnavailable
from mailglass.evidence import load_rules
from mailglass.gateway import Submitter
from mailglass.ingest import Ingest
from mailglass.instrument import read_plan, restore
from mailglass.model import EventType
from mailglass.settings import load_settings
from mailglass.spool import Spool
from mailglass.tokens import Ring


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    return ApiHouse(tmp_path)


@pytest.fixture
def client(house: ApiHouse) -> TestClient:
    return house.client()


RAW = (
    b"From: \xe7\x8e\x8b <me@home.test>\r\nTo: a@x.test\r\nBcc: b@x.test\r\nSubject: hello\r\n"
    b'Content-Type: text/html\r\n\r\n<p><a href="https://example.org/">x</a></p>\r\n'
)
FIELDS: dict[str, Any] = {
    "from": "王小明 <me@home.test>",
    "to": ["Kim 민수 <a@x.test>"],
    "cc": ["c@x.test"],
    "bcc": ["b@x.test"],
    "subject": "关于会议 회의",
    "text": "您好\n",
    "html": '<p>您好 <a href="https://example.org/?价=1">链接</a></p>',
    "attachments": [{"name": "报价.txt", "content": base64.b64encode(b"\x00\xff").decode()}],
    "tags": ["通知", "b"],
    "campaign": "秋季",
}


def spooled(house: ApiHouse, answer: Any) -> email.message.EmailMessage:
    """The message of an answer as the spool has it."""
    message = email.message_from_bytes(
        house.spool.raw(int(answer.json()["id"])), policy=email.policy.default
    )
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_a_message_of_fields_is_spooled_for_each_recipient(
    house: ApiHouse, client: TestClient
) -> None:
    answer = client.post("/messages", json=FIELDS)
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert [d["recipient"] for d in taken["deliveries"]] == ["a@x.test", "c@x.test", "b@x.test"]
    message = spooled(house, answer)
    assert message["Subject"] == "关于会议 회의"
    assert message["Bcc"] is None
    assert "with HTTP" in str(message["Received"])
    (event,) = house.spool.events(0, 10)
    assert event.body["tags"] == ["通知", "b"]
    assert event.body["campaign"] == "秋季"
    assert event.body["account_id"] == house.account_id
    assert event.body["submitter"] == "key test"


def test_the_network_that_hands_in_mail_is_the_senders_own(house: ApiHouse) -> None:
    sender = house.client(address="198.51.100.77")
    kind = {"Content-Type": "message/rfc822"}
    assert sender.post("/messages", json=FIELDS).status_code == 202
    assert sender.post("/messages/raw", content=RAW, headers=kind).status_code == 202
    assert sender.post("/messages/instrument", json=FIELDS).status_code == 200
    told = house.spool.events(0, 10)
    assert [event.body["submitter_network"] for event in told] == ["198.51.100.0/24"] * 3


def test_a_whole_message_is_taken_as_it_is_but_for_bcc(house: ApiHouse, client: TestClient) -> None:
    as_json = client.post("/messages", json={"raw": base64.b64encode(RAW).decode()})
    as_file = client.post("/messages/raw", content=RAW, headers={"Content-Type": "message/rfc822"})
    for answer in (as_json, as_file):
        assert answer.status_code == 202, answer.text
        found = [d["recipient"] for d in answer.json()["deliveries"]]
        assert found == ["a@x.test", "b@x.test"]
        kept = house.spool.raw(int(answer.json()["id"]))
        assert kept.endswith(RAW.replace(b"Bcc: b@x.test\r\n", b""))


def test_recipients_that_are_named_are_the_recipients(house: ApiHouse, client: TestClient) -> None:
    answer = client.post(
        "/messages/raw?recipient=z@x.test&return_path=r@home.test&tag=t",
        content=RAW,
        headers={"Content-Type": "message/rfc822"},
    )
    assert [d["recipient"] for d in answer.json()["deliveries"]] == ["z@x.test"]
    (job,) = house.spool.due(house.now, 10)
    assert job.return_path == "r@home.test"


def test_a_merge_gives_each_recipient_their_own_text(house: ApiHouse, client: TestClient) -> None:
    merge = {
        "from": "me@home.test",
        "to": ["a@x.test", "b@x.test"],
        "subject": "您好 {{name}}",
        "html": "<p>{{name}}</p>",
        "substitutions": {"a@x.test": {"name": "王"}, "b@x.test": {"name": "민수"}},
    }
    assert client.post("/messages", json=merge).status_code == 202
    jobs = {j.delivery.recipient: j.filling for j in house.spool.due(house.now, 10)}
    assert jobs["a@x.test"] == {"to": "a@x.test", "values": {"name": "王"}}
    assert jobs["b@x.test"] == {"to": "b@x.test", "values": {"name": "민수"}}
    missing = {**merge, "substitutions": {"a@x.test": {"name": "王"}}}
    refused = client.post("/messages", json=missing)
    assert (refused.status_code, refused.json()["id"]) == (422, "input")
    assert "b@x.test has no value for name" in refused.json()["detail"]


def test_an_idempotency_key_makes_one_message_of_two_requests(
    house: ApiHouse, client: TestClient
) -> None:
    header = {"Idempotency-Key": "order-17"}
    first = client.post("/messages", json=FIELDS, headers=header).json()
    again = client.post("/messages", json=FIELDS, headers=header).json()
    assert again == {**first, "is_repeated": True}
    assert house.spool.counts()["message"] == 1
    other = client.post("/messages", json={**FIELDS, "subject": "x"}, headers=header)
    assert (other.status_code, other.json()["id"]) == (422, "key-reused")
    stranger = house.client(house.key(account_id=add_account(house.history, "other")))
    assert not stranger.post("/messages", json=FIELDS, headers=header).json()["is_repeated"]


def test_a_message_for_later_waits_and_can_be_withdrawn(
    house: ApiHouse, client: TestClient
) -> None:
    later = house.now + timedelta(hours=2)
    answer = client.post("/messages", json={**FIELDS, "send_at": later.isoformat()})
    number = int(answer.json()["id"])
    assert house.spool.due(house.now, 10) == []
    add_message(house.history, house.account_id, number)  # as ingest does
    assert client.delete(f"/messages/{number}").json() == {"withdrawn": 3}
    again = client.delete(f"/messages/{number}")
    assert (again.status_code, again.json()["id"]) == (409, "conflict")
    assert Spool(house.spool._path).due(later, 10) == []


def test_a_message_can_be_taken_back_before_the_history_knows_it(
    house: ApiHouse, client: TestClient
) -> None:
    later = house.now + timedelta(hours=3)
    answer = client.post("/messages", json={**FIELDS, "send_at": later.isoformat()}).json()
    number, copy = answer["id"], answer["deliveries"][0]["id"]
    stranger = house.client(house.key(account_id=add_account(house.history, "other")))
    for path in (f"/messages/{number}", f"/deliveries/{copy}"):
        assert stranger.get(path).status_code == 404
    assert stranger.delete(f"/messages/{number}").status_code == 404
    assert client.delete(f"/messages/{number}").json() == {"withdrawn": 3}
    assert house.spool.waiting() == []
    take_all(house)
    story = client.get(f"/messages/{number}/timeline").json()
    assert [[e["type"] for e in d["events"]] for d in story["deliveries"]] == [
        ["queued", "rejected"]
    ] * 3
    assert client.delete(f"/messages/{number}").status_code == 409


def test_every_number_in_the_answer_leads_somewhere_at_once(
    house: ApiHouse, client: TestClient
) -> None:
    """The same before and after the history has taken the message, but for what came since."""
    answer = client.post("/messages", json={**FIELDS, "tags": ["x"], "campaign": "c"}).json()
    number = answer["id"]
    paths = [f"/messages/{number}", f"/messages/{number}/timeline?limit=2"]
    for copy in answer["deliveries"]:
        paths += [f"/deliveries/{copy['id']}{more}" for more in ("", "/verdict", "/timeline")]
        paths.append(f"/deliveries/{copy['id']}")
    before = [client.get(path).json() for path in paths]
    take_all(house)
    after = [client.get(path).json() for path in paths]
    for early, known in zip(before, after, strict=True):
        assert _lasting(early) == _lasting(known)


def _lasting(answer: Any) -> Any:
    """An answer without what comes with time."""
    if isinstance(answer, dict):
        fleeting = (
            "events",
            "items",
            "last_event_at",
            "verdict",
            "rules_version",
            "is_final",
            "evidence",
            "probability",
        )
        return {k: _lasting(v) for k, v in answer.items() if k not in fleeting}
    if isinstance(answer, list):
        return [_lasting(one) for one in answer]
    return answer


def take_all(house: ApiHouse) -> None:
    """What ingest does with the spool."""
    ingest = Ingest(
        history=house.history,
        spool=house.spool,
        journal_directory=house.spool._path.parent / "journal",
        rules=load_rules(),
        clock=lambda: house.now,
    )
    while ingest.step():
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a\0b"},
        {"html": "a\0b"},
        {"subject": "a\nb"},
        {"attachments": [{"name": "x", "content": "eA==", "content_id": "a", "content_type": "?"}]},
        {"from": "nobody"},
        {"to": ["nobody"]},
    ],
)
def test_a_refusal_names_the_field_as_the_request_does(
    client: TestClient, wrong: dict[str, Any]
) -> None:
    said = client.post("/messages", json={**FIELDS, **wrong}).json()
    (name,) = wrong
    assert said["status"] == 422
    assert said["detail"].lstrip("/").startswith(name)


@pytest.mark.parametrize("body", [b"{", b'{"a": 1,}', b"", b"[1, 2", b"\xff"])
def test_a_body_that_is_no_json_is_pointed_at_as_a_whole(client: TestClient, body: bytes) -> None:
    said = client.post("/messages", content=body, headers={"Content-Type": "application/json"})
    for fault in said.json().get("errors", []):
        assert fault["pointer"] == ""
    assert said.status_code in (400, 422)


def test_tracking_is_as_the_client_says(house: ApiHouse, client: TestClient) -> None:
    tracking = {"opens": False, "links": False}
    client.post("/messages", json={**FIELDS, "tracking": tracking})
    (event,) = house.spool.events(0, 10)
    assert event.body["targets"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"to": ["nobody"]}, "to/0"),
        ({"from": None}, "from"),
        ({"html": None, "text": None}, "text and html"),
        ({"raw": "eA=="}, "must be left out"),
        ({"recipients": ["a@x.test"]}, "recipients"),
        ({"headers": {"Bcc": "x@y.test"}}, "Bcc"),
        ({"attachments": [{"name": "a", "content": "!"}]}, "/attachments/0/content"),
        ({"send_at": "2099-01-01T00:00:00Z"}, "send_at"),
        ({"subjet": "x"}, "/subjet"),
        ({"tracking": {"open": True}}, "/tracking/open"),
        ({"text": "\ud800"}, ""),
    ],
)
def test_a_fault_is_named_by_its_field(
    house: ApiHouse, client: TestClient, change: dict[str, Any], said: str
) -> None:
    import json

    answer = client.post(
        "/messages",
        content=json.dumps({**FIELDS, **change}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert house.spool.counts()["message"] == 0


@pytest.mark.parametrize("named", ["to", "recipients", "receipt_to"])
def test_recipients_are_taken_by_the_rules_of_addresses(client: TestClient, named: str) -> None:
    def post(address: str) -> Any:
        if named == "recipients":
            raw = base64.b64encode(b"Subject: x\r\nFrom: me@home.test\r\n\r\nx").decode()
            return client.post("/messages", json={"raw": raw, "recipients": [address]})
        more: dict[str, Any] = {"to": [address]}
        if named == "receipt_to":
            more = {"to": ["a@x.test"], "tracking": {named: address}}
        return client.post("/messages", json={"from": "me@home.test", "text": "x", **more})

    user = "user" if named == "receipt_to" else "用户"  # of a header field in ASCII
    for good in ('"a b"@example.net', f"{user}@例子.cn", "a@[192.0.2.1]"):
        assert post(good).status_code == 202, post(good).text
    for bad in ("a@b@c", "a b@c.test", "a@-b.test", "xyz@"):
        answer = post(bad)
        assert answer.status_code == 422
        assert bad in answer.text


def test_what_is_no_message_and_what_is_too_large_is_refused(tmp_path: Any) -> None:
    house = ApiHouse(tmp_path, max_message_bytes=10_000, max_recipients=2)
    client = house.client()
    post = {"Content-Type": "message/rfc822"}
    no_mail = client.post("/messages/raw?recipient=a@x.test", content=b"<p>", headers=post)
    assert no_mail.status_code == 422
    large = client.post("/messages", json={**FIELDS, "text": "x" * 11_000})
    assert (large.status_code, large.json()["id"]) == (422, "input")
    huge = client.post("/messages", content=b"x" * 3_000_000)
    assert (huge.status_code, huge.json()["id"]) == (413, "too-large")
    assert client.post("/messages", json=FIELDS).status_code == 422  # three recipients


def test_without_a_smarthost_nothing_is_taken(tmp_path: Any) -> None:
    house = ApiHouse(tmp_path, refusal=lambda: "no smarthost is set yet")
    answer = house.client().post("/messages", json=FIELDS)
    assert (answer.status_code, answer.json()["id"]) == (503, "retry-later")
    assert "smarthost" in answer.json()["detail"]


def test_a_full_disk_takes_nothing_and_says_when_to_come_back(
    house: ApiHouse, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageUnavailable("the spool cannot be used: database or disk is full")

    monkeypatch.setattr(Spool, "accept", fail)
    answer = client.post("/messages", json=FIELDS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("register", [True, False])
def test_instrument_only_hands_back_copies_and_the_plan(
    house: ApiHouse, client: TestClient, register: bool
) -> None:
    asked = {
        "raw": base64.b64encode(RAW).decode(),
        "recipients": ["a@x.test", "b@x.test"],
        "register": register,
    }
    answer = client.post("/messages/instrument", json=asked)
    assert answer.status_code == 200, answer.text
    for copy in answer.json()["copies"]:
        import json

        raw = base64.b64decode(copy["raw"])
        assert b"https://t.test/c/" in raw
        plan = read_plan(json.dumps(copy["plan"]).encode())
        assert restore(raw, plan) == RAW.replace(b"Bcc: b@x.test\r\n", b"")
    assert house.spool.counts()["delivery"] == 0
    assert len(house.spool.events(0, 10)) == int(register)


def test_messages_are_found_and_come_in_pages(house: ApiHouse, client: TestClient) -> None:
    for number in range(1, 8):
        add_message(
            house.history,
            house.account_id,
            number,
            f"p{number}@x.test",
            campaign="秋季" if number % 2 else None,
            tags=("가",) if number > 4 else (),
        )
    seen, cursor = [], None
    while True:
        place = {"cursor": cursor} if cursor else {}
        page = client.get("/messages", params={"limit": 3, **place})
        seen += [m["id"] for m in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]

    def found(**params: str) -> list[str]:
        return [m["id"] for m in client.get("/messages", params=params).json()["items"]]

    assert found(campaign="秋季", tag="가") == ["7", "5"]
    assert found(words="p3@x.test") == ["3"]
    assert found(words="<2@home.test>") == ["2"]
    assert found(words="您好") == ["7", "6", "5", "4", "3", "2", "1"]
    assert found(words="%") == []
    assert client.get("/messages/5").json()["targets"][0]["url"] == "https://example.org/价格"


def test_deliveries_come_page_by_page_the_newest_first_each_once(
    house: ApiHouse, client: TestClient
) -> None:
    numbers = [
        str(copy)
        for number in (1, 2, 3)
        for copy in add_message(house.history, house.account_id, number, "a@x.test", "b@x.test")
    ]
    seen, cursor = [], None
    while True:
        params = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = client.get("/deliveries", params=params).json()
        seen += [d["id"] for d in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == numbers[::-1]


def test_deliveries_verdicts_and_timelines_are_told_with_evidence(
    house: ApiHouse, client: TestClient
) -> None:
    first, second = add_message(house.history, house.account_id, 1, "a@x.test", "b@Y.test")
    said = {"reply_code": 550, "reply_text": "没有"}
    tell(house.history, first, EventType.QUEUED, EventType.BOUNCED, raw=said)
    found = client.get("/deliveries", params={"recipient": "B@y.test"}).json()["items"]
    assert [d["id"] for d in found] == [str(second)]
    assert client.get("/deliveries?recipient_domain=y.test").json()["items"] == found
    assert client.get("/deliveries?level=opened").json()["items"] == []
    assert len(client.get("/deliveries?message_id=1&limit=1").json()["items"]) == 1
    assert client.get(f"/deliveries/{first}/verdict").json()["level"] == "pending"
    events = client.get(f"/deliveries/{first}/timeline").json()["items"]
    assert [e["type"] for e in events] == ["queued", "bounced"]
    assert "550 没有" in events[1]["text"]
    story = client.get("/messages/1/timeline?limit=1").json()
    assert story["deliveries"][0]["events"] == events
    rest = client.get(f"/messages/1/timeline?cursor={story['next']}").json()
    assert [d["delivery"]["id"] for d in rest["deliveries"]] == [str(second)]
    assert client.get(f"/deliveries/{first}/hits").json() == {"items": [], "further_hits": 0}


def test_events_are_read_on_from_where_one_stopped(house: ApiHouse, client: TestClient) -> None:
    (delivery,) = add_message(house.history, house.account_id, 1)
    tell(house.history, delivery, EventType.QUEUED, EventType.DELIVERED, EventType.OPENED)
    first = client.get("/events?limit=2").json()
    second = client.get(f"/events?after={first['last']}").json()
    assert [e["type"] for e in first["items"] + second["items"]] == [
        "queued",
        "delivered",
        "opened",
    ]
    assert client.get(f"/events?after={second['last']}").json()["items"] == []
    assert [e["type"] for e in client.get("/events?type=opened").json()["items"]] == ["opened"]


def test_statistics_are_told_by_every_roll_up(house: ApiHouse, client: TestClient) -> None:
    people = ("a@X.test", "b@y.test")
    delivery, _ = add_message(
        house.history, house.account_id, 1, *people, campaign="秋季", tags=("가",)
    )
    tell(house.history, delivery, EventType.QUEUED, EventType.CLICKED)

    def told(path: str) -> list[Any]:
        answer = client.get(f"/statistics/{path}")
        assert answer.status_code == 200, answer.text
        counted = [c for c in answer.json()["items"] if "clicked" in c["counts"]]
        return [(c["name"], c["start"], c["counts"]["clicked"]) for c in counted]

    noon, midnight = "2026-11-28T12:00:00.000Z", "2026-11-28T00:00:00.000Z"
    assert told("account") == [("", None, 1)]
    assert told("account?period=hour") == [("", noon, 1)]
    assert told("campaign?name=秋季") == [("秋季", None, 1)]
    assert told("campaign?period=day") == [("秋季", midnight, 1)]
    assert told("tag") == [("가", None, 1)]
    assert told("domain?name=X.test") == [("x.test", None, 1)]
    assert told("message?name=1&period=hour") == [("1", noon, 1)]
    assert told("campaign?name=none") == []
    assert client.get("/statistics/tag?period=hour").status_code == 422
    long_ago = "/statistics/account?period=hour&since=2020-01-01T00:00:00Z"
    assert client.get(long_ago).status_code == 422


def test_suppressions_are_made_listed_and_lifted(house: ApiHouse, client: TestClient) -> None:
    for name in ("b", "A", "c/d"):
        made = client.put(f"/suppressions/{name}@x.test", json={"reason": "所求"})
        assert made.json()["recipient"] == f"{name.lower()}@x.test"
    first = client.get("/suppressions?limit=2").json()
    rest = client.get(f"/suppressions?limit=2&cursor={first['next']}").json()
    found = [s["recipient"] for s in first["items"] + rest["items"]]
    assert found == ["a@x.test", "b@x.test", "c/d@x.test"]
    assert client.delete("/suppressions/C%2Fd@x.test").status_code == 204
    assert client.get("/suppressions/c/d@x.test").status_code == 404
    assert client.delete("/suppressions/c/d@x.test").status_code == 404


def test_a_no_acts_on_what_waits_and_on_what_was_sent(house: ApiHouse, client: TestClient) -> None:
    add_message(house.history, house.account_id, 1, "a@x.test")
    client.post("/messages", json=FIELDS)
    said = {"recipient": "A@x.test", "state": "withdrawn", "how": "letter", "shown": "您同意吗？"}
    done = client.post("/consents", json=said)
    assert done.status_code == 201, done.text
    assert done.json()["no"]["deliveries"] == 1
    assert done.json()["no"]["waiting"] == 1
    assert client.get("/consents/a@X.test").json()["state"] == "withdrawn"
    assert client.get("/consents?recipient=a@x.test").json()["items"][0]["shown"] == "您同意吗？"
    future = {**said, "at": "2027-01-01T00:00:00Z"}
    assert client.post("/consents", json=future).status_code == 422


A_LABELS, U_LABELS = "r@xn--fsqu00a.cn", "r@例子.cn"


@pytest.mark.parametrize(("said", "sent"), [(A_LABELS, U_LABELS), (U_LABELS, A_LABELS)])
def test_what_is_refused_for_a_domain_holds_in_its_other_spelling(
    house: ApiHouse, client: TestClient, said: str, sent: str
) -> None:
    """By the intake as it is wired in every way in: here by HTTP, there by SMTP."""
    settings = load_settings(overrides=[f"data.directory={house.folder}"])[0]
    intake = new_intake(settings, house.history, Ring([b"k" * 32]), 3)
    submitter = Submitter(account_id=house.account_id, name="me")

    def by_smtp() -> Any:
        raw = b"From: me@home.test\r\nSubject: x\r\n\r\nx"
        return intake.accept(
            raw, return_path="me@home.test", recipients=[sent], submitter=submitter
        )

    client.post("/consents", json={"recipient": said, "state": "withdrawn", "how": "form"})
    by_smtp()
    (waiting,) = Spool(house.folder / "spool.db").waiting(recipient=said)
    assert waiting.policy.value == "off"
    assert client.get(f"/consents/{sent}").json() == {"recipient": A_LABELS, "state": "withdrawn"}
    assert client.put(f"/suppressions/{said}", json={}).json()["recipient"] == A_LABELS
    assert list(by_smtp().suppressed.values()) == ["requested"]
    assert client.get(f"/suppressions/{sent}").status_code == 200
    assert client.delete(f"/suppressions/{sent}").status_code == 204


def test_webhooks_are_managed_and_dead_letters_replayed(
    house: ApiHouse, client: TestClient
) -> None:
    wanted = {"url": "https://hook.test/x", "filters": {"types": ["opened"], "campaigns": ["秋季"]}}
    made = client.post("/webhooks", json=wanted).json()
    assert made["secret"].startswith("whsec_")
    path = f"/webhooks/{made['id']}"
    assert made["secret"] not in client.get("/webhooks").text
    changed = client.patch(path, json={"state": "paused", "description": "가"}).json()
    assert (changed["state"], changed["filters"]["types"]) == ("paused", ["opened"])
    rotated = client.post(f"{path}/secret", json={}).json()
    assert rotated["old_ends_at"] == "2026-11-29T12:00:00.000Z"
    assert client.get(path).json()["secrets"] == 2
    assert client.post(f"{path}/secret", json={"at_once": True}).json()["old_ends_at"] is None
    assert client.get(path).json()["secrets"] == 1
    with house.history.transaction() as t:
        t.add_notices(int(made["id"]), [(n, f"{n}") for n in range(1, 4)], house.now)
        t.give_up_notices(int(made["id"]), house.now + timedelta(days=4))
    dead = client.get(f"{path}/notices?state=dead&limit=2").json()
    assert [n["event_id"] for n in dead["items"]] == ["3", "2"]
    one = f"{path}/notices/{dead['items'][0]['id']}"
    assert client.post(f"{one}/replay").json() == {"replayed": 1}
    assert client.get(one).json()["state"] == "waiting"
    assert client.post(f"{path}/replay").json() == {"replayed": 2}
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "url", ["ftp://x.test/", "https://", "http://u:p@x.test/", "http://x.test/#f", "http://[::1/"]
)
def test_a_url_that_is_none_is_refused(client: TestClient, url: str) -> None:
    assert client.post("/webhooks", json={"url": url}).status_code == 422


def test_a_domain_is_verified_by_what_the_dns_says(house: ApiHouse, client: TestClient) -> None:
    made = client.post("/domains", json={"kind": "sending", "name": "例子.Test."}).json()
    assert made["name"] == "xn--fsqu00a.test"
    path = f"/domains/sending/{made['id']}"
    assert client.post(f"{path}/check").json()["state"] == "failing"
    house.zone.records[made["record_name"], "TXT"] = ("other", made["record_text"])
    assert client.post(f"{path}/check").json()["state"] == "verified"
    house.zone.is_down = True
    assert client.post(f"{path}/check").status_code == 503
    assert client.get(path).json()["state"] == "verified"
    house.zone.is_down = False
    house.zone.records["t.test", "A"] = ("192.0.2.1",)
    track = client.post("/domains", json={"kind": "tracking", "name": "go.x.test"}).json()
    assert client.post(f"/domains/tracking/{track['id']}/check").json()["state"] == "failing"
    house.zone.records["go.x.test", "A"] = ("192.0.2.1",)
    assert client.post(f"/domains/tracking/{track['id']}/check").json()["state"] == "verified"
    taken = client.post("/domains", json={"kind": "tracking", "name": "go.x.test"})
    assert taken.status_code == 409
    assert client.post("/domains", json={"kind": "sending", "name": "a b"}).status_code == 422
    assert len(client.get("/domains").json()["items"]) == 2
    assert client.delete(path).status_code == 204


def test_an_operators_key_makes_accounts_and_stays_outside_of_them(
    house: ApiHouse, client: TestClient
) -> None:
    made = client.post("/accounts", json={"name": "새 계정"})
    assert made.status_code == 201, made.text
    inside = house.client(made.json()["key"]["key"])
    assert inside.get("/account").json()["name"] == "새 계정"
    assert client.get("/account").json()["name"] == "shop"
    assert client.post("/accounts", json={"name": "shop"}).status_code == 409
    assert client.patch("/account", json={"name": "새 계정"}).status_code == 409
    assert client.patch("/account", json={"name": "store"}).json()["name"] == "store"

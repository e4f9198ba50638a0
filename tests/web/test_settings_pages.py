"""What an owner sets, and what nobody else may."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_site import CONFIG, Browser

from mailglass.history import (
    Belongings,
    DomainKind,
    Filters,
    History,
    NoticeState,
    PolicyScope,
    Role,
    Scope,
    Suppression,
    add_administrator,
    new_user,
)
from mailglass.model import TrackingPolicy

NOW = datetime.now(UTC)
TABS = ["", "/keys", "/webhooks", "/domains", "/policies", "/evidence"]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(f"sqlite:///{tmp_path / 'history.db'}")


@pytest.fixture
def browser(history: History) -> Browser:
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    browser = Browser(history)
    browser.post(made[1].removeprefix(CONFIG.url))
    return browser


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_says_what_there_is(browser: Browser, tab: str) -> None:
    page = browser.get(f"/settings{tab}")
    assert page.status_code == 200
    assert page.text.count('aria-current="page"') == 2


def test_somebody_is_added_and_signs_in_by_their_link(browser: Browser, history: History) -> None:
    page = browser.submit("/settings/people", page="/settings", name="mei", role="member")
    link = re.search(r"(/login/[\w-]+)", page.text)
    assert link is not None
    other = Browser(history)
    assert other.post(link[1]).url.path == "/"
    assert "member" in other.get("/profile").text


def test_the_only_owner_stays(browser: Browser, history: History) -> None:
    for path, fields in (
        ("/settings/people/remove", {"user_id": "1"}),
        ("/settings/people/change", {"user_id": "1", "role": "member"}),
    ):
        refused = browser.submit(path, page="/settings", **fields)
        assert refused.status_code == 422
        assert "only owner" in refused.text


def test_a_user_of_another_account_cannot_be_changed(browser: Browser, history: History) -> None:
    with history.transaction() as t:
        other = t.add_account("other", NOW)
    new_user(history, "eve", other.id, Role.OWNER)
    with history.reading() as t:
        eve = t.user_named("eve")
    assert eve is not None
    refused = browser.submit("/settings/people/remove", page="/settings", user_id=str(eve.id))
    assert refused.status_code == 422


def test_a_key_is_shown_once_and_can_be_revoked(browser: Browser, history: History) -> None:
    page = browser.submit(
        "/settings/keys", page="/settings/keys", name="shop", scopes=["messages:write"]
    ).text
    text = re.search(r"<code>(mg_[\w-]{43})</code>", page)
    assert text is not None
    with history.reading() as t:
        key = t.key_of(text[1], NOW)
    assert key is not None
    assert key.scopes == {Scope.MESSAGES_WRITE}
    assert text[1] not in browser.get("/settings/keys").text
    browser.submit("/settings/keys/revoke", page="/settings/keys", key_id=str(key.id))
    with history.reading() as t:
        assert t.key_of(text[1], NOW) is None


def test_an_endpoint_is_added_and_its_dead_letters_sent_again(
    browser: Browser, history: History
) -> None:
    page = browser.submit(
        "/settings/webhooks",
        page="/settings/webhooks",
        url="https://hooks.test/in",
        types=["opened", "clicked"],
    ).text
    assert re.search(r"<code>whsec_[\w+/=]+</code>", page)
    with history.transaction() as t:
        (endpoint,) = t.endpoints(1)
        t.add_notices(endpoint.id, [(7, '{"type": "opened"}')], NOW)
        t.give_up_notices(endpoint.id, datetime.now(UTC))
    detail = browser.get(f"/settings/webhooks/{endpoint.id}").text
    assert "given up" in detail
    assert "{&#34;type&#34;" in detail
    browser.submit(
        f"/settings/webhooks/{endpoint.id}/replay", page=f"/settings/webhooks/{endpoint.id}"
    )
    with history.reading() as t:
        assert [n.state for n in t.notices(endpoint.id)] == [NoticeState.WAITING]


def test_another_accounts_endpoint_is_not_there(browser: Browser, history: History) -> None:
    with history.transaction() as t:
        other = t.add_account("other", NOW)
        endpoint = t.add_endpoint(
            other.id,
            "https://x.test",
            "whsec_x",
            filters=Filters(),
            description="",
            last_event_id=0,
            at=NOW,
        )
    assert browser.get(f"/settings/webhooks/{endpoint.id}").status_code == 404


@pytest.mark.parametrize("url", ["ftp://x.test", "javascript:alert(1)", "nothing"])
def test_what_is_no_address_is_refused(browser: Browser, url: str) -> None:
    refused = browser.submit("/settings/webhooks", page="/settings/webhooks", url=url)
    assert refused.status_code == 422


def test_a_domain_says_which_record_to_publish(browser: Browser, history: History) -> None:
    page = browser.submit(
        "/settings/domains", page="/settings/domains", kind="sending", name="Bücher.example"
    ).text
    assert "_mailglass.xn--bcher-kva.example. TXT" in page
    with history.reading() as t:
        (domain,) = t.domains(1, DomainKind.SENDING)
    assert domain.challenge is not None
    assert domain.challenge in page


REFUSED = [
    ("domains", {"kind": "sending", "name": "x.test"}, "x.test 已被占用"),
    ("domains", {"kind": "sending", "name": "localhost"}, "localhost"),
    ("policies", {"scope": "campaign", "mode": "off", "on_withdrawal": "erase"}, "请填写域名"),
    ("keys", {"name": "x", "scopes": "messages:read"}, "账户已有 1 个密钥"),
    ("webhooks", {"url": "https://x.test"}, "账户已有 1 个接收端"),
]


@pytest.mark.parametrize(("tab", "fields", "said"), REFUSED)
def test_what_the_account_may_not_have_is_refused_in_the_readers_language(
    browser: Browser,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    tab: str,
    fields: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr("mailglass.history.belongings._MOST_KEYS", 1)
    monkeypatch.setattr("mailglass.history.belongings._MOST_ENDPOINTS", 1)
    with history.transaction() as t:
        mine = Belongings(t, 1)
        mine.add_domain(DomainKind.SENDING, "x.test", NOW)
        mine.add_key("first", [Scope.MESSAGES_READ], NOW)
        mine.add_endpoint("https://x.test", "whsec_x", NOW, filters=Filters())
    browser.cookies.set("mailglass-language", "zh-Hans")
    page = f"/settings/{tab}"
    refused = browser.submit(page, page=page, **fields)
    assert refused.status_code == 422
    assert said in refused.text


def test_a_policy_is_set_and_let_go(browser: Browser, history: History) -> None:
    fields = {"scope": "campaign", "subject": "Spring", "mode": "off", "on_withdrawal": "erase"}
    assert (
        "spring" in browser.submit("/settings/policies", page="/settings/policies", **fields).text
    )
    with history.reading() as t:
        (policy,) = t.policies(1)
    assert (policy.scope, policy.mode) == (PolicyScope.CAMPAIGN, TrackingPolicy.OFF)
    gone = {"scope": "campaign", "subject": "spring"}
    browser.submit("/settings/policies/remove", page="/settings/policies", **gone)
    with history.reading() as t:
        assert t.policies(1) == []


def test_an_accounts_own_retention_is_kept(browser: Browser, history: History) -> None:
    page = "/settings/policies"
    browser.submit(f"{page}/retention", page=page, kind="hits", days="30")
    with history.reading() as t:
        assert t.retention(1) == {1: {"hits": 30}}
    assert browser.submit(f"{page}/retention", page=page, kind="hits", days="x").status_code == 422


def test_a_suppression_is_lifted(browser: Browser, history: History) -> None:
    with history.transaction() as t:
        t.suppress(
            Suppression(
                account_id=1, recipient="a@b.test", reason="complaint", evidence="<b>", since=NOW
            )
        )
    assert "&lt;b&gt;" in browser.get("/settings/policies").text
    browser.submit("/settings/policies/unsuppress", page="/settings/policies", recipient="a@b.test")
    with history.reading() as t:
        assert t.suppressions(NOW, account_id=1) == []


def test_an_address_is_shown_in_its_script_and_acted_on_as_it_is_kept(
    browser: Browser, history: History
) -> None:
    with history.transaction() as t:
        for name in ("a@xn--fsqu00a.cn", "b@xn--80ak6aa92e.com"):
            t.suppress(
                Suppression(
                    account_id=1, recipient=name, reason="complaint", evidence="", since=NOW
                )
            )
    page = browser.get("/settings/policies").text
    assert '<bdi title="a@xn--fsqu00a.cn">a@例子.cn</bdi>' in page
    assert 'name="recipient" value="a@xn--fsqu00a.cn"' in page
    assert "<bdi>b@xn--80ak6aa92e.com</bdi>" in page  # letters that could pass for Latin ones


FORMS = [
    ("/settings/people", {"name": "x", "role": "owner"}),
    ("/settings/people/change", {"user_id": "1", "role": "owner"}),
    ("/settings/people/remove", {"user_id": "1"}),
    ("/settings/keys", {"name": "x", "scopes": "messages:read"}),
    ("/settings/keys/revoke", {"key_id": "1"}),
    ("/settings/webhooks", {"url": "https://x.test"}),
    ("/settings/webhooks/1/state", {"state": "paused"}),
    ("/settings/webhooks/1/replay", {}),
    ("/settings/webhooks/1/remove", {}),
    ("/settings/domains", {"kind": "sending", "name": "x.test"}),
    ("/settings/domains/sending/1/check", {}),
    ("/settings/domains/sending/1/remove", {}),
    ("/settings/policies", {"scope": "account", "mode": "off", "on_withdrawal": "erase"}),
    ("/settings/policies/remove", {"scope": "account"}),
    ("/settings/policies/retention", {"kind": "hits", "days": "1"}),
    ("/settings/policies/unsuppress", {"recipient": "a@b.test"}),
]


@pytest.fixture
def member(browser: Browser, history: History) -> Browser:
    with history.transaction() as t:
        t.set_role(1, Role.MEMBER)
    return browser


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_member_changes_nothing_of_the_account(
    member: Browser, path: str, fields: dict[str, str]
) -> None:
    assert member.submit(path, **fields).status_code == 403


def test_who_comes_back_has_the_role_that_they_are_given(
    browser: Browser, history: History
) -> None:
    browser.submit("/settings/people", page="/settings", name="mei", role="owner")
    with history.reading() as t:
        mei = t.user_named("mei")
    assert mei is not None
    browser.submit("/settings/people/remove", page="/settings", user_id=str(mei.id))
    browser.submit("/settings/people", page="/settings", name="mei", role="read-only")
    with history.reading() as t:
        assert [u.role for u in t.users(1) if u.name == "mei"] == [Role.READ_ONLY]


@pytest.mark.parametrize("name", ["", "  ", "a\r\nb", "a\x00"])
def test_a_name_that_cannot_be_seen_is_refused(browser: Browser, name: str) -> None:
    people = browser.submit("/settings/people", page="/settings", name=name, role="member")
    keys = browser.submit(
        "/settings/keys", page="/settings/keys", name=name, scopes=["messages:read"]
    )
    assert (people.status_code, keys.status_code) == (422, 422)


@pytest.mark.parametrize(
    "url", ["http://[", "http://h:99999/", "http://u:p@h.test/", "http://h.test/#x", "http://h .t/"]
)
def test_an_address_to_which_nothing_can_be_posted_is_refused(
    browser: Browser, history: History, url: str
) -> None:
    refused = browser.submit("/settings/webhooks", page="/settings/webhooks", url=url)
    assert refused.status_code == 422
    with history.reading() as t:
        assert t.endpoints(1) == []


def test_more_days_than_the_calendar_has_are_refused(browser: Browser, history: History) -> None:
    refused = browser.submit(
        "/settings/policies/retention", page="/settings/policies", kind="hits", days="999999"
    )
    assert refused.status_code == 422
    with history.reading() as t:
        assert t.retention(1) == {}

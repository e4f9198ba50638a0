"""Whatever mail, servers and programs say of themselves stands on every page as text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser
from web_site import CONFIG, Browser

from mailglass.history import History, StoredEvent, StoredMessage, add_administrator
from mailglass.model import Delivery, Event, EventType, Evidence, Hit, Target, TargetKind

NOW = datetime.now(UTC)
PLAIN = "plain words"
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></textarea></pre></style><iframe src=javascript:alert(1)>",
    "javascript:alert(1)//",
    "{{ 7*7 }}{% raw %}${7*7}",
    "&lt;script&gt;&#60;b&#62;",
    "\u202ereversed\u202c \u0000\ufeff",
    "<a href='//evil.test'>x</a>" * 10,
]
PAGES = ["/", "/messages", "/messages/100", "/messages?q=", "/deliverability", "/compose?draft=1"]


def tell_story(history: History, words: str) -> None:
    """A message in which everything that comes from outside is `words`."""
    message = StoredMessage(
        id=100,
        account_id=1,
        accepted_at=NOW,
        return_path=words,
        author=words,
        subject=words,
        message_id_field=words,
        tags=(words,),
        campaign=words,
        submitter=words,
        targets=(
            Target(number=0, kind=TargetKind.LINK, url=words),
            Target(number=1, kind=TargetKind.ATTACHMENT, name=words, digest="d", size_bytes=1),
        ),
    )
    hit = Hit(
        at=NOW,
        path_kind="c",
        method=words[:20],
        token=words,
        delivery_id=101,
        target=0,
        address=words,
        http_version="1.1",
        headers={"user-agent": words, "referer": words, "x-" + words: words},
        to=words,
        name=words,
    )
    raw = {"reply_code": 550, "enhanced_status": words, "reply_text": words, "problem": words}
    evidence = (Evidence(signal=words, weight=1.0, text=words),)
    judged = {"actor": "human", "probability_human": 0.9, "address": words, "target": 1}
    with history.transaction() as t:
        t.add_message(
            message, [Delivery(id=101, message_id=100, recipient=f"{words}@{words}.test")]
        )
        t.add_hits([(101, hit)])
        t.add_events(
            [
                StoredEvent(
                    delivery_id=101, event=Event(type=type_, at=NOW, raw=raw, evidence=evidence)
                )
                for type_ in (EventType.QUEUED, EventType.BOUNCED, EventType.REPLIED)
            ]
        )
        t.add_events(
            [StoredEvent(delivery_id=101, event=Event(type=EventType.CLICKED, at=NOW, raw=judged))]
        )
        t.save_draft(1, 1, {"subject": words, "to": words, "text": words, "html": words}, NOW, 0)


def shapes(folder: Path, words: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """The elements of each page with the names of their attributes."""
    folder.mkdir()
    history = History(f"sqlite:///{folder / 'history.db'}")
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    browser = Browser(history)
    browser.post(made[1].removeprefix(CONFIG.url))
    tell_story(history, words)
    found = {}
    for path in PAGES:
        page = browser.get(path, params={"q": words} if path.endswith("q=") else None)
        assert page.status_code == 200, path
        root = LexborHTMLParser(page.text).root
        assert root is not None
        found[path] = [
            (node.tag, tuple(sorted(node.attributes)))
            for node in root.traverse(include_text=False)
            if node.tag != "bdi"
        ]
    history.close()
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return shapes(tmp_path_factory.mktemp("plain") / "x", PLAIN)


@pytest.mark.parametrize("words", PAYLOADS)
def test_hostile_words_change_no_page(
    tmp_path: Path, plain: dict[str, list[tuple[str, tuple[str, ...]]]], words: str
) -> None:
    for path, shape in shapes(tmp_path / "x", words).items():
        if path != "/messages?q=":  # one finds the message, the other may not
            assert shape == plain[path], path


def test_a_link_of_the_pages_never_runs(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'history.db'}")
    made = add_administrator(history, CONFIG.url)
    assert made is not None
    browser = Browser(history)
    browser.post(made[1].removeprefix(CONFIG.url))
    tell_story(history, "javascript:alert(1)//")
    for path in PAGES:
        for node in LexborHTMLParser(browser.get(path).text).css("[href], [src], [action]"):
            for name in ("href", "src", "action"):
                value = node.attributes.get(name) or "/"
                assert value.startswith(("/", "#", "http://127.0.0.1")), value
    history.close()

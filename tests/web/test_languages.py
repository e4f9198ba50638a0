"""The pages in the reader's language and zone."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from web_site import Browser

from mailglass.history import History
from mailglass.languages import LANGUAGES, choose_language
from product import PROJECT, SOURCE

AT = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
@pytest.mark.parametrize("language", ["zh-Hans", "ko"])
def test_every_sentence_is_translated(language: str) -> None:
    assert tool("catalogs").missing(language) == []


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
@pytest.mark.parametrize("language", ["zh-Hans", "ko"])
def test_a_translation_takes_the_same_values(language: str) -> None:
    for message in tool("catalogs").present(language):
        for text in message.string if message.pluralizable else (message.string,):
            ids = message.id if message.pluralizable else (message.id,)
            if message.id:
                assert set(_values(text)) == set(_values(ids[-1])), text


def _values(text: str) -> list[str]:

    return re.findall(r"%\(\w+\)[sd]", text)


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
def test_the_libraries_of_the_browser_are_the_pinned_ones() -> None:
    assert tool("vendor").faults() == []


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("ko", "ko"),
        ("fr, ko;q=0.5, en;q=0.1", "ko"),
        ("fr", "en"),
        ("", "en"),
        ("ko;q=0, zh;q=x, en", "en"),
    ],
)
def test_the_browsers_liking_decides(accepted: str, tag: str) -> None:
    assert choose_language(None, accepted).tag == tag


def test_a_choice_stands_over_the_browsers_liking() -> None:
    assert choose_language("ko", "zh").tag == "ko"
    assert choose_language("none", "zh").tag == "zh-Hans"


def test_a_time_is_the_readers() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    assert LANGUAGES["ko"].time(AT, seoul) == "2026. 11. 23. 오전 12:30:00"
    assert LANGUAGES["zh-Hans"].time(AT, seoul) == "2026年11月23日 00:30:00"
    assert LANGUAGES["en"].time(AT, ZoneInfo("UTC")) == "22 Nov 2026, 15:30:00"


@pytest.mark.parametrize(
    "zone", ["../../etc/passwd", "Nowhere/Land", "/etc/localtime", "A" * 5000, "Asia"]
)
def test_an_odd_zone_is_utc(browser: Browser, zone: str) -> None:
    browser.cookies.set("mailglass-zone", zone)
    assert 'value="UTC"' in browser.get("/login").text


@pytest.fixture
def browser(tmp_path: Path) -> Browser:

    return Browser(History(f"sqlite:///{tmp_path / 'history.db'}"))

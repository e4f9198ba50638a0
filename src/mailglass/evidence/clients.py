"""Who a user agent says it is: our own table first, ua-parser for the browsers.

The table (`data/clients.tsv`) names reader proxies, mail programs, previewers, scanners, crawlers
and tools; ua-parser names what is left and its version.  A user agent is a claim: what it is worth
is for the rules to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import ua_parser

from .tables import Row

__all__ = ["Client", "ClientTable"]

_LONGEST_AGENT = 1024  # characters looked at; real user agents stay below 500
_REMEMBERED = 16384  # user agents; a year's hits of a busy site carry a few thousand
_CLASSES = frozenset(
    {"gmail_prefetch", "reader_proxy", "privacy_proxy", "mail_app", "mailish", "bare_webkit"}
    | {"current_browser", "unimitated_browser", "ageing_browser"}
    | {"outdated_browser", "impossible_browser"}
    | {"scanner", "preview", "crawler", "tool", "platform", "office_probe"}
)
# ua-parser's families under the name whose version decides.
_ENGINES = (
    ("Chrom", "Chrome"),
    ("Firefox", "Firefox"),
    ("Edge", "Edge"),
    ("Safari", "Safari"),
    ("Opera", "Opera"),
    ("IE", "IE"),
    ("Samsung", "Samsung Internet"),
    ("UC Browser", "UC Browser"),
)

# Windows 7 to 8.1, whose people got Chrome 109 and Firefox 115 as the last.
_LAST_WINDOWS = "Windows NT 6."
_IMITATED = frozenset({"Chrome", "Chromium", "Edge", "Opera"})  # on desktops, as scanners do


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """What a user agent claims; one object for each row of the table and each browser seen."""

    kind: str  # as the table's column `class`, or current_browser and its like, none, unrecognised
    name: str  # for people: "Gmail", "Chrome 120"

    @property
    def is_browser(self) -> bool:
        """Whether it claims to be a browser, and so must send a browser's headers."""
        return self.kind.endswith("_browser")


_NONE = Client("none", "no program")


class ClientTable:
    """The table of user agents, with a memory of those seen lately."""

    def __init__(
        self,
        rows: Sequence[Row],
        oldest_versions: Mapping[str, float],
        ageing_versions: Mapping[str, float],
    ) -> None:
        """`rows` in the order in which they are tried; raises BadRules on one that is wrong."""
        self._tests = [_test_of(row) for row in rows if row["match"] != "family"]
        self._families = {
            row["text"]: Client(row["class"], row["name"])
            for row in rows
            if row["match"] == "family"
        }
        self._oldest = dict(oldest_versions)
        self._ageing = dict(ageing_versions)
        for row in rows:
            if row["class"] not in _CLASSES:
                raise row.refuse(f"class {row['class']!r} is none of {', '.join(sorted(_CLASSES))}")
        self.classify: Callable[[str], Client] = lru_cache(_REMEMBERED)(self._classify)

    def _classify(self, agent: str) -> Client:
        text = agent[:_LONGEST_AGENT].strip()
        if not text or text == "-":
            return _NONE
        lower = text.lower()
        for matches, client in self._tests:
            if matches(lower):
                return client
        return self._parsed(text, lower)

    def _parsed(self, text: str, lower: str) -> Client:
        result = ua_parser.parse(text)
        family = result.user_agent.family if result.user_agent else ""
        if family in self._families:
            return self._families[family]
        if result.device and result.device.family == "Spider":
            return Client("crawler", family or "a crawler")
        if result.user_agent and result.user_agent.major and lower.startswith("mozilla/"):
            return self._browser(family, result.user_agent.major, text)
        # It is shown to people, also on terminals, which control characters would steer.
        name = "".join(c if c.isprintable() else "?" for c in text.split("/", 1)[0][:40])
        return Client("mailish" if "mail" in lower else "unrecognised", name)

    def _browser(self, family: str, major: str, text: str) -> Client:
        name = f"{family} {major}"
        engine = next((engine for word, engine in _ENGINES if word in family), None)
        if engine is not None and major.isdecimal():
            if int(major) < self._oldest.get(engine, 0):
                return Client("outdated_browser", name)
            is_kept_back = "Mobile" in text or "Android" in text or _LAST_WINDOWS in text
            if not is_kept_back and int(major) < self._ageing.get(engine, 0):
                return Client("ageing_browser", name)
        imitated = family in _IMITATED and "Mobile" not in text
        return Client("current_browser" if imitated else "unimitated_browser", name)


def _test_of(row: Row) -> tuple[Callable[[str], object], Client]:
    client, text = Client(row["class"], row["name"]), row["text"].lower()
    match row["match"]:
        case "exact":
            return text.__eq__, client
        case "prefix":
            return lambda agent: agent.startswith(text), client
        case "contains":
            return lambda agent: text in agent, client
        case "regex":
            try:
                return re.compile(row["text"], re.IGNORECASE).search, client
            except re.error as error:
                raise row.refuse(f"the expression does not compile: {error}") from error
    raise row.refuse(f"match {row['match']!r} is none of exact, prefix, contains, regex, family")

"""The named services: our own rule pack, and EasyPrivacy's mail rules where Debian's package is.

Names find who, not that: all known lists together name 16.5 % of the invisible images of 7,909 real
messages (measured 2026-11-22), so that a name is one kind of evidence beside the structure.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from .hosts import HostTable
from .shape import split_url
from .tables import read_table

__all__ = ["EASYPRIVACY", "MailList", "Rule", "find_rule", "load_easyprivacy", "rule_table"]

Rule = dict[str, str]

# The list lies in Debian's package webext-ublock-origin-firefox (GPL-3+ or CC-BY-SA-3.0+); it is
# read where the administrator installed it, never shipped.
EASYPRIVACY = Path(
    "/usr/share/mozilla/extensions/{ec8030f7-c20a-464f-9b0e-13a3a9e97384}"
    "/uBlock0@raymondhill.net/assets/thirdparties/easylist/easyprivacy.txt"
)
_SECTION = "easyprivacy_general_emailtrackers.txt"


@cache
def rule_table(*kinds: str) -> HostTable:
    """The rules of these kinds; where several hold, the kind named first goes before."""
    rows = read_table("rules.tsv")
    return HostTable(row for kind in kinds for row in rows if row["kind"] == kind)


def find_rule(url: str, *kinds: str) -> Rule | None:
    """The first rule of these kinds (asset, open, click) that names the URL."""
    _, host, path, query = split_url(url)
    return rule_table(*kinds).find(host, f"{path or '/'}?{query}" if query else path or "/")


class MailList:
    """The mail rules of an adblock list, asked through Brave's engine."""

    def __init__(self, lines: list[str]) -> None:
        """Raises ImportError when the package `adblock` is not installed."""
        import adblock

        rules = adblock.FilterSet()
        rules.add_filters(lines)
        # Typed as Any: the engine ships no types.
        self._engine: Any = adblock.Engine(rules)

    def names(self, url: str) -> bool:
        """Whether the list would block the URL as an image of a message."""
        return bool(self._engine.check_network_urls(url, "https://mail.invalid/", "image").matched)


def load_easyprivacy(path: Path = EASYPRIVACY, *, whole: bool = False) -> MailList | None:
    """EasyPrivacy's mail section (or the whole list), when both it and the engine are there."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        section = text if whole else _mail_section(text)
        return MailList(section.splitlines())
    except (OSError, ImportError):
        return None


def _mail_section(text: str) -> str:
    start = text.find(_SECTION)
    if start < 0:
        return ""
    end = text.find("! ***", start)
    return text[start : end if end >= 0 else len(text)].partition("\n")[2]

"""The free vocabulary in which others write down what lay around a hit.

Names that our records know are taken, with the variants of the table; what nobody knows is left out
of account and counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .surroundings import Crowd

__all__ = ["facts_of_context"]

_HEADS_UP_SECONDS = 10  # the longest validity among the rules seen: an extension's documentation


def facts_of_context(context: Mapping[str, Any], kind: str, shown: str) -> dict[str, Any]:
    """The fields of a Surroundings that a context states, and `host_name_confirmed`.

    `shown` is the hit's user agent and network word in lower case, by which a mailbox provider's
    proxy shows.
    """
    facts: dict[str, Any] = {}  # Any: as the fields of Surroundings
    crowd: dict[str, Any] = {}
    for raw_name, value in context.items():
        name = str(raw_name).strip().lower().replace("-", "_")
        for pattern, field, reads in _CONTEXT:
            if pattern.search(name):
                found = reads(value)
                into = crowd if field in _CROWD_FIELDS else facts
                if found is not None:
                    into[field] = found
                break
    if crowd:
        facts["crowd"] = Crowd(**crowd)
    facts.update(_elsewhere(context))
    if _is_other_provider(context, shown):
        facts.setdefault("sender_sign", _OTHER_PROVIDER)
    if kind == "unsubscribe":
        facts.pop("unsubscribe_too", None)
    return facts


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "none")
    return bool(value)


def _maybe(value: object) -> bool | None:
    return None if value is None else _flag(value)


def _count(value: object) -> int | None:
    """A number; a plain "yes" is the least that one would have remarked on: two."""
    if isinstance(value, bool):
        return 2 if value else None
    if isinstance(value, int | float) and 0 <= value < 1e9:
        return int(value)
    return None


def _crowd_count(value: object) -> int | None:
    """As `_count`, but a plain "yes" means a crowd worth the remark."""
    return (1000 if value else None) if isinstance(value, bool) else _count(value)


def _is_one(value: object) -> bool:
    return value == 1 and not isinstance(value, bool)


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _nothing(_: object) -> None:
    """Of a scan beside a person's click: it says nothing of this hit."""


def _heads_up(value: object) -> str | None:
    if value is True:
        return "the sender's client announced it"
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds <= _HEADS_UP_SECONDS:
        return None
    return f"the sender's client announced it {seconds:g} s before"


def _own_view(value: object) -> str | None:
    return "it was marked so" if _flag(value) else None


def _other_view(value: object) -> str | None:
    return _OTHER_PROVIDER if _flag(value) else None


_OTHER_PROVIDER = "another mailbox provider than the recipient's fetched it"
_CROWD_FIELDS = frozenset({"recipients_of_address", "recipients_of_network", "hosters_of_agent"})
# The first expression found in a name decides what the name means.
_CONTEXT: tuple[tuple[re.Pattern[str], str, Callable[[object], object]], ...] = tuple(
    (re.compile(pattern), field, reads)
    for pattern, field, reads in (
        (r"heads_?up|sender_announce", "sender_sign", _heads_up),
        (
            r"^(?:is_)?(?:self|sender|own)_(?:view|open|copy|session|browser)|sent_(?:copy|folder)"
            r"|(?:at|while|on|sender)_(?:compos\w+|send(?:ing)?$)|^compos(?:e|ing)",
            "sender_sign",
            _own_view,
        ),
        (r"provider_(?:mismatch|differs)|(?:other|wrong)_provider", "sender_sign", _other_view),
        (r"sender_(?:network|ip|address)", "sender_network", _flag),
        (r"human_(?:click|open|hit)s?_(?:with)?in|(?:before|around|beside)_human", "", _nothing),
        (r"honey|hidden_link|invisible_link|decoy", "honeypot", _flag),
        (r"mutat|altered|scrambl|tamper", "altered_token", _flag),
        (r"before_delivery|pre_?delivery|precedes_delivery", "before_delivery", _flag),
        (r"all_(?:the_)?links|every_link", "all_links_in_burst", _flag),
        (
            r"links?(?:_\w+)?_\d+s$|distinct_links|different_links|links_in_(?:burst|\d)",
            "links_in_burst",
            _count,
        ),
        (r"clicks_(?:in_)?\d+_?s$|clicks_in", "clicks_in_volley", _count),
        (r"same_second|same_instant", "events_in_second", _count),
        (r"unsub", "unsubscribe_too", _flag),
        (r"before_open|without_open|no_open", "click_without_open", _flag),
        (r"open_to_click|since_open|after_open_s", "seconds_from_open", _seconds),
        (r"open_and_click|click_and_open", "open_and_click_of_address", _flag),
        (r"forward|report|emoji|after_reply|ticket", "after_forward", _flag),
        (r"fcrdns|forward_confirm|ptr_confirm|rdns_confirm", "host_name_confirmed", _maybe),
        (r"outdated|impossible|unusual_os|old_os|old_browser", "outdated_browser", _flag),
        (r"hosters|unrelated_(?:networks|asns|hosts)", "hosters_of_agent", _crowd_count),
        (r"pattern|whole_domain", "domain_pattern", _flag),
        (
            r"ua_change|uas?_(?:on|per|of|from)|(?:distinct|two|several)_(?:uas|agents)|ua_count",
            "agents_of_address",
            _count,
        ),
        (
            r"wave|burst_recipients|requests_|(?:network|subnet|asn|prefix).*recipients|recipients.*(?:network|subnet|asn|prefix)",
            "recipients_of_network",
            _crowd_count,
        ),
        (
            r"(?:ip|address).*(?:recipients|users)|(?:recipients|users).*(?:ip|address)|other_recipients"
            r"|recipients_\d+s$",
            "recipients_of_address",
            _crowd_count,
        ),
        (
            r"scan_?pair|paired|pair_|after_(?:a_)?scan|scan(?:ner)?_(?:\w+_)?(?:before|around|within|near)|^(?:earlier|previous|prior)_scan"
            r"|(?:microsoft|ms|scanner|safelinks)_(?:click|hit|scan)",
            "after_scan",
            _flag,
        ),
        (
            r"(?:download|explicit|asked).*(?:image|picture)|(?:image|picture).*(?:download|explicit|asked)",
            "images_asked_for",
            _flag,
        ),
        (
            r"(?:own|known|recipients?|usual|home)_(?:own_)?(?:network|ip|asn)",
            "known_network",
            _flag,
        ),
        (
            r"(?:own|known|recipients?|usual)_(?:own_)?(?:device|ua|client|agent)",
            "known_device",
            _flag,
        ),
        (
            r"^(?:links_(?:sent|total|in_(?:mail|message))|(?:total|n|num)_links|link_count)$",
            "is_only_link",
            _is_one,
        ),
    )
)
_EARLIER = re.compile(
    r"^(?:earlier|previous|prior|first|original)_(?!scan|machine|bot|prefetch)"
    r"(?:human_)?(?:open_|click_|hit_)?(\w+)$"
)
_NOW = re.compile(r"^(?:this|current|hit|now)_(?:open_|click_|hit_)?(\w+)$")
_NEW = re.compile(r"^(?:new|another|different|other)_(\w+)$")
_MOVED = re.compile(r"^(country|device|network|asn)_?(?:change[sd]?|differs|mismatch|jump)")
_READ_BEFORE = re.compile(
    r"^(?:after|earlier|previous|prior)_(?:a_)?(?:human_)?(?:open|click|read)(?:ed)?$"
)
_DEVICE = frozenset({"device", "ua", "user_agent", "client", "os", "agent"})
_PLACE = frozenset({"network", "asn", "ip", "isp", "ip_class", "city", "region"})


def _elsewhere(context: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a person read it before, and how this visit differs from that one."""
    earlier: dict[str, object] = {}
    now: dict[str, object] = {}
    differs: set[str] = set()
    read_before = False
    for raw_name, value in context.items():
        name = str(raw_name).strip().lower().replace("-", "_")
        if _READ_BEFORE.match(name):
            read_before = read_before or bool(_flag(value))
        elif (found := _EARLIER.match(name)) and value is not None:
            earlier[found[1]] = value
        elif (found := _NOW.match(name)) and value is not None:
            now[found[1]] = value
        elif (found := _NEW.match(name)) and _flag(value):
            differs.update(re.split(r"_(?:and_)?", found[1]))
        elif (found := _MOVED.match(name)) and _flag(value):
            differs.add(found[1])
    differs.update(key for key in earlier.keys() & now.keys() if earlier[key] != now[key])
    read_before = read_before or bool(earlier) or bool(differs)
    if not read_before:
        return {}
    facts: dict[str, Any] = {"read_before": True}
    if "country" in differs:
        facts["elsewhere"] = "another country"
    elif differs & _DEVICE and differs & _PLACE:
        facts["elsewhere"] = "a new device and network"
    elif not differs:
        facts["follows_reader"] = True
    return facts


# Providers whose proxies fetch for their own users only, by the words that name them.
_PROXYING = {
    "google": ("googleimageproxy", "google_image_proxy", "gmail"),
    "yahoo": ("yahoomailproxy", "yahoo"),
}
_ITS_USERS = {"google": ("google", "gmail", "workspace"), "yahoo": ("yahoo", "aol")}
_RECIPIENTS_PROVIDER = re.compile(r"^(?:recipient|mailbox)s?_(?:provider|mailbox|service|domain)$")


def _is_other_provider(context: Mapping[str, Any], shown: str) -> bool:
    """Whether a provider's proxy fetched for a recipient who is known to be elsewhere."""
    homes = [
        value.lower()
        for name, value in context.items()
        if _RECIPIENTS_PROVIDER.match(str(name).lower()) and isinstance(value, str) and value
    ]
    return any(
        any(word in shown for word in words) and not any(word in home for word in _ITS_USERS[who])
        for who, words in _PROXYING.items()
        for home in homes
    )

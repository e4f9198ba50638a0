"""What the sender asks for, and what control headers in the message say instead."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..mime import Message
from ..model import TrackingPolicy

__all__ = ["CONTROL_PREFIX", "Options", "read_control_headers", "under_policy"]

CONTROL_PREFIX = "x-mailglass-"
_TRACK_WORDS = {"open", "click", "attachment", "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to add to a message.

    Raises ConfigurationError when the base URL is none that a mail can carry.
    """

    base_url: str  # of the collector, such as https://track.example.com
    opens: bool = True
    links: bool = True
    attachments: Literal["keep", "link"] = "keep"
    text_links: bool = False  # links in text parts too
    html_alternative: bool = False  # give a message that has only text an HTML part
    list_unsubscribe: bool = False  # RFC 8058
    unsubscribe_domain: str | None = None  # takes the mail of who unsubscribes by mail
    receipt_to: str | None = None  # Disposition-Notification-To (RFC 8098)
    honeypot: bool = False  # a link that no person can see
    subject_label: str | None = None  # such as AD
    anonymous: bool = False  # tokens name the message, not the recipient
    untracked: bool = False  # the recipient is not to be tracked, whatever control fields ask for

    def __post_init__(self) -> None:
        """Refuse a base URL that would break the URLs built on it."""
        parts = urlsplit(self.base_url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.query
            or parts.fragment
            or not re.fullmatch(r"[A-Za-z0-9:/._~\[\]-]+", self.base_url)
        ):
            raise ConfigurationError(
                f"the base URL {self.base_url!r} must look like https://track.example.com: "
                "http or https, a host in ASCII, at most a port and a path"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the X-Mailglass-* fields of a message said."""

    options: Options
    tag: str | None
    campaign: str | None
    is_none: bool  # the message wants no tracking at all
    unknown: tuple[str, ...]  # fields and words that mean nothing


def read_control_headers(message: Message, options: Options) -> Control:
    """The options with the message's own wishes over them.

    `X-Mailglass-Track` lists what to track: `open`, `click`, `attachment`, or `none`; what it does
    not name is off.  Words that it does not know mean nothing, and neither does a list without any
    that it knows.  `X-Mailglass-Tag` and `X-Mailglass-Campaign` are names for later counting.
    """
    values: dict[str, str] = {}
    unknown: list[str] = []
    words: set[str] = set()
    for field in message.root.fields:
        if field.name.startswith(CONTROL_PREFIX):
            name = field.name.removeprefix(CONTROL_PREFIX)
            if name in ("track", "tag", "campaign"):
                values.setdefault(name, field.value(message.raw))
            else:
                unknown.append(field.name)
    if "track" in values:
        said = set(re.findall(r"[^\s,;]+", values["track"].lower()))
        unknown += sorted(said - _TRACK_WORDS) or ([] if said else ["x-mailglass-track: empty"])
        words = said & _TRACK_WORDS
        if words and not options.untracked:
            options = _untracked(options) if "none" in words else _restricted(options, words)
    return Control(
        options=options,
        tag=values.get("tag") or None,
        campaign=values.get("campaign") or None,
        is_none="none" in words,
        unknown=tuple(unknown),
    )


def under_policy(options: Options, policy: TrackingPolicy) -> Options:
    """The options for a recipient whom the sender may track no closer than `policy`.

    A receipt says by name who displayed the message, so it is asked for only when they may be
    identified.
    """
    if policy is TrackingPolicy.ANONYMOUS:
        return replace(options, anonymous=True, receipt_to=None)
    return _untracked(options) if policy is TrackingPolicy.OFF else options


def _untracked(options: Options) -> Options:
    """The options with nothing added that could tell the recipient or the copy apart.

    A label in the subject stays: it is the same for all, and a provider's rule asks for it.
    """
    return replace(
        options,
        opens=False,
        links=False,
        text_links=False,
        attachments="keep",
        html_alternative=False,
        list_unsubscribe=False,
        honeypot=False,
        receipt_to=None,
        untracked=True,
    )


def _restricted(options: Options, words: set[str]) -> Options:
    """The options with nothing tracked but what the words name."""
    return replace(
        options,
        opens="open" in words,
        links="click" in words,
        text_links=options.text_links and "click" in words,
        attachments="link" if "attachment" in words else "keep",
    )

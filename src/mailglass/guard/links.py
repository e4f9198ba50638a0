"""What a link tells and whom, and where it can go instead.

A link is named by the rule pack, known by its shape, or plain. When its target stands inside, the
target takes its place; when it does not, only the sender's server knows it, and the link stays:
asking would be the click that is to be avoided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .address import AddressBook, Carried
from .parameters import strip_parameters
from .rules import find_rule
from .shape import shape_of, split_url
from .unwrap import unwrap

__all__ = ["Link", "examine_link"]

# Unwrapping and cleaning go on until nothing changes; each round shortens the link, and no honest
# one needs more than three.
_MAX_ROUNDS = 8
_CLICK_FOLDER = re.compile(
    r"/(?:clicks?|click-?thr(?:ough|u)|ls|wf|cl|ctr?|track(?:ing|er)?|trk|redir(?:ect)?|lnk|"
    r"link-?track(?:er|ing)?|email-?link|c|l|r|e|t|u)(?:[/.?]|\Z)",
    re.IGNORECASE,
)
# A token that tells both the link and the recipient: shorter ones are names of pages.
_LONG_TOKEN = 20
_LONG_PIECE = re.compile(rf"[^/?&=#]{{{_LONG_TOKEN}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link of a message."""

    url: str
    unwrapped: str | None  # the target that stands inside
    cleaned: str | None  # what takes the link's place; None when it stays
    vendor: str | None
    opaque: bool  # it reports the click, and where it goes cannot be resolved without telling
    carries: Carried | None  # an address in the link
    part: str

    @property
    def is_tracked(self) -> bool:
        """Whether following it tells somebody who clicked."""
        return self.opaque or self.unwrapped is not None or self.carries is not None


def examine_link(
    url: str, part: str = "0", addresses: AddressBook | None = None, *, keep: bool = False
) -> Link:
    """What one http link does; `keep` for links that must not be changed (List-Unsubscribe)."""
    found = unwrap(url)
    rule = find_rule(url, "click")
    is_opaque = found is None and (rule is not None or _looks_opaque(url))
    if keep or is_opaque:
        cleaned = None
    elif found is not None:
        cleaned = _settle(found.target)
    else:
        cleaned = strip_parameters(url)
        if cleaned != url and "?" in cleaned:
            cleaned = _settle(cleaned)
    return Link(
        url=url,
        unwrapped=found.target if found else None,
        cleaned=cleaned if cleaned != url else None,
        vendor=found.vendor if found and found.vendor else rule["vendor"] if rule else None,
        opaque=is_opaque,
        carries=addresses.find(url) if addresses else None,
        part=part,
    )


def _settle(url: str) -> str | None:
    """The link unwrapped and stripped until it stays the same; None when it never does."""
    for _ in range(_MAX_ROUNDS):
        found = unwrap(url)
        following = found.target if found else url
        if find_rule(following, "click") is None and not _looks_opaque(following):
            following = strip_parameters(following)
        if following == url:
            return url
        url = following
    return None


def _looks_opaque(url: str) -> bool:
    """Whether the link is a redirect by its form: a long token behind a folder for clicks."""
    if not _LONG_PIECE.search(url) or not _CLICK_FOLDER.search(split_url(url)[2]):
        return False
    shape = shape_of(url)
    outside = shape.query_tokens + (() if shape.is_file else shape.path_tokens)
    return max(map(len, outside), default=0) >= _LONG_TOKEN

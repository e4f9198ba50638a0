"""Takes campaign parameters off a link, where the page is the same without them.

What remains keeps its order and its spelling. A link is left as it is when removing anything could
break it: pages that unsubscribe, confirm or sign in, and URLs whose parameters are signed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from .acting import acts
from .shape import split_url
from .tables import read_table

__all__ = ["strip_parameters"]

_DELICATE = re.compile(
    r"unsub|opt-?out|prefer|subscri|confirm|verif|activat|reset|log-?in|sign-?in|auth|"
    r"(?<![a-z])sso(?![a-z])|invite|checkout|payment|download",
    re.IGNORECASE,
)
# Under any of these names stands a signature over the other parameters.
_SIGNED = re.compile(
    r"(?:\A|&)(?:sig|sign|signature|hmac|mac|checksum|x-amz-[\w-]+|x-goog-[\w-]+|policy|"
    r"key-pair-id|expires|awsaccesskeyid|se|sv|oauth_\w+)=",
    re.IGNORECASE,
)

_MAX_NAME = 100  # longer than any name of the table


@cache
def _campaign() -> re.Pattern[str]:
    names = (row["name"] for row in read_table("parameters.tsv"))
    forms = "|".join(re.escape(name).replace(r"\*", r"[\w.-]*") for name in names)
    return re.compile(rf"(?:{forms})\Z", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _is_campaign(name: str) -> bool:
    return _campaign().match(name) is not None


def strip_parameters(url: str) -> str:
    """The link without campaign parameters; the same string when there is nothing to take off."""
    body, hash_mark, fragment = url.partition("#")
    before, mark, query = body.partition("?")
    if not query:
        return url
    pairs = query.split("&")
    kept = [pair for pair in pairs if not _only_tells_of_campaigns(pair)]
    if len(kept) == len(pairs) or _is_delicate(before, "&".join(kept)):
        return url
    return before + (mark + "&".join(kept) if kept else "") + hash_mark + fragment


def _only_tells_of_campaigns(pair: str) -> bool:
    """Whether a pair may go; to some servers a semicolon parts it into several."""
    return all(_is_campaign(one.partition("=")[0][:_MAX_NAME]) for one in pair.split(";"))


def _is_delicate(before: str, query: str) -> bool:
    path = split_url(before)[2]
    names = " ".join(pair.partition("=")[0] for pair in query.split("&"))
    return bool(
        _DELICATE.search(path) or acts(path) or _DELICATE.search(names) or _SIGNED.search(query)
    )

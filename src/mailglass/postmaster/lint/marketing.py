"""Rules on bulk and marketing mail: the label, one-click unsubscribe, the visible link."""

from __future__ import annotations

import re
import unicodedata

from ...model import Finding
from ..case import INFO, OK, WARN
from ..findings import finding
from .reading import Reading

__all__ = ["check_marketing"]

_LABEL = re.compile(r"(?<![A-Za-z])AD(?![A-Za-z])")
_ANY_LABEL = re.compile(r"(?<![A-Za-z])ad(?![A-Za-z])", re.IGNORECASE)
_URIS = re.compile(r"<\s*([^<>\s]+)\s*>")
# The words that readers look for, in the languages of the providers that we know.
_UNSUBSCRIBE = re.compile(
    r"unsubscribe|opt[ \-]?out|退订|取消订阅|退訂|수신\s?거부|구독\s?취소|配信停止|"
    r"abmelden|abbestellen|désabonner|désinscrire|darse de baja",
    re.IGNORECASE,
)


def check_marketing(reading: Reading, *, is_marketing: bool) -> list[Finding]:
    """What is asked of marketing mail; of other mail only what it claims by itself."""
    if not is_marketing:
        note = "not asked of mail that is no marketing"
        return [finding("lint.ad-label", INFO, note), _one_click(reading, False)]
    return [_label(reading), _one_click(reading, True), _visible(reading)]


def _label(reading: Reading) -> Finding:
    subject = reading.subject
    if _LABEL.search(subject):
        return finding("lint.ad-label", OK, subject)
    # Full-width letters become ASCII ones by NFKC; people type them with a Chinese keyboard.
    other = _ANY_LABEL.search(unicodedata.normalize("NFKC", subject))
    if other:
        return finding(
            "lint.ad-label",
            WARN,
            f"the label is not AD in half-width capitals: {subject}",
            fix="form",
            found=other[0],
        )
    return finding("lint.ad-label", WARN, f"no label: {subject}", fix="missing", subject=subject)


def _one_click(reading: Reading, is_marketing: bool) -> Finding:
    lists, posts = reading.values("list-unsubscribe"), reading.values("list-unsubscribe-post")
    if not lists:
        status = WARN if is_marketing else INFO
        fix = "missing" if is_marketing else None
        return finding("lint.one-click", status, "no List-Unsubscribe", fix=fix)
    fault = _one_click_fault(lists, posts)
    if fault:
        return finding("lint.one-click", WARN, fault, fix="broken", fault=fault)
    return finding("lint.one-click", OK, lists[0])


def _one_click_fault(lists: list[str], posts: list[str]) -> str:
    if len(lists) > 1 or len(posts) > 1:
        return "a field stands twice"
    uris = _URIS.findall(lists[0])
    if not uris:
        return "List-Unsubscribe holds no address in angle brackets"
    if not any(uri.lower().startswith("https://") for uri in uris):
        return "List-Unsubscribe holds no https URL"
    if not posts:
        return "List-Unsubscribe-Post is missing"
    if re.sub(r"\s", "", posts[0]).lower() != "list-unsubscribe=one-click":
        return f"List-Unsubscribe-Post is {posts[0]!r}"
    return ""


def _visible(reading: Reading) -> Finding:
    for link in reading.links:
        if _UNSUBSCRIBE.search(link.text) or _UNSUBSCRIBE.search(link.url):
            return finding("lint.unsubscribe-link", OK, f"{link.text[:60]} ({link.url[:100]})")
    if not reading.has_html and _UNSUBSCRIBE.search(reading.plain_text or ""):
        return finding("lint.unsubscribe-link", OK, "the text says how")
    return finding("lint.unsubscribe-link", WARN, "no link says so", fix="missing")

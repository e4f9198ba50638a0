"""Rules on what the reader gets: text, images, links."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ...model import Finding
from ..case import INFO, OK, WARN
from ..findings import finding
from ..hosts import hosts_of_kind
from ..organization import same_organization
from .reading import Reading

__all__ = ["check_content"]

_CLIP_BYTES = 102 * 1024  # hteumeuleu/email-bugs#41
_LEAST_TEXT = 200  # characters beside images; ours
_LEAST_PLAIN = 20  # characters of a text part that says anything; ours
_LONG_RUN = re.compile(r"[A-Za-z0-9]{45}|[0-9a-fA-F]{128}")  # scored by SpamAssassin 4
_MAX_URL = 2000  # characters; older browsers and gateways cut there
_HOST_IN_TEXT = re.compile(
    r"(?:https?://)?((?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24})(?:[/:?#]\S*)?",
    re.IGNORECASE,
)


def check_content(reading: Reading) -> list[Finding]:
    """Every finding on the content."""
    found = [_clipping(reading), _text_part(reading), _images(reading)]
    found += [_links(reading), _link_text(reading), _shorteners(reading), _privacy(reading)]
    if reading.active:
        names = ", ".join(sorted(reading.active))
        found.append(finding("lint.active", WARN, names, fix="found", names=names))
    else:
        found.append(finding("lint.active", OK, "nothing active"))
    return found


def _clipping(reading: Reading) -> Finding:
    observed = f"{reading.html_bytes / 1024:.0f} KB of HTML"
    if reading.html_bytes >= _CLIP_BYTES:
        return finding("lint.clipping", WARN, observed, fix="large")
    return finding("lint.clipping", OK, observed)


def _text_part(reading: Reading) -> Finding:
    if not reading.has_html:
        return finding("lint.text-part", OK, "the message has no HTML")
    if reading.plain_text is None:
        return finding("lint.text-part", WARN, "HTML without a text part", fix="missing")
    count = len(reading.plain_text)
    if count < _LEAST_PLAIN <= len(reading.html_text):
        observed = f"the text part has {count} characters, the HTML {len(reading.html_text)}"
        return finding("lint.text-part", WARN, observed, fix="empty", count=count)
    return finding("lint.text-part", OK, f"a text part of {count} characters")


def _images(reading: Reading) -> Finding:
    images = [image for image in reading.images if not image.is_beacon]
    count = len(reading.html_text)
    observed = f"{len(images)} images beside {count} characters of text"
    if images and count < _LEAST_TEXT:
        return finding("lint.images", WARN, observed, fix="little", count=count, images=len(images))
    bare = [image.url[:60] for image in images if image.alt is None]
    if bare:
        return finding(
            "lint.images",
            INFO,
            f"{observed}; {len(bare)} without alt",
            fix="alt",
            names=", ".join(bare[:3]),
        )
    return finding("lint.images", OK, observed)


def _urls(reading: Reading) -> list[str]:
    return [link.url for link in reading.links] + [image.url for image in reading.images]


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts


def _links(reading: Reading) -> Finding:
    plain = ""
    for url in _urls(reading):
        fault = _shape_fault(url)
        if fault:
            return finding(
                "lint.links", WARN, f"{url[:120]}: {fault}", fix="shape", url=url[:120], fault=fault
            )
        plain = plain or (url if url.lower().startswith("http:") else "")
    if plain:
        fault = "it is http, not https"
        return finding(
            "lint.links", INFO, f"{plain[:120]}: {fault}", fix="shape", url=plain[:120], fault=fault
        )
    return finding("lint.links", OK, f"{len(reading.links)} links, {len(reading.images)} images")


def _shape_fault(url: str) -> str:
    parts = _parts(url)
    if parts is None:
        return "it is no URL"
    if parts.scheme in ("javascript", "vbscript", "data", "file") and not url.startswith(
        "data:image/"
    ):
        return f"{parts.scheme}: is removed by every provider"
    if parts.scheme not in ("http", "https"):
        return ""
    host = parts.hostname or ""
    if _is_address(host):
        return "its host is an address"
    if "." not in host:
        return "its host is no full name"
    if parts.username is not None:
        return "it holds credentials"
    if parts.port not in (None, 80, 443):
        return f"port {parts.port} is unusual"
    if len(url) > _MAX_URL:
        return f"it has {len(url)} characters"
    if _LONG_RUN.search(parts.path + parts.query):
        return "45 or more letters and digits in a row"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"[0-9.]+|0x[0-9a-f]+", host))
    return True


def _link_text(reading: Reading) -> Finding:
    for link in reading.links:
        shown = _HOST_IN_TEXT.fullmatch(link.text.strip())
        parts = _parts(link.url)
        host = (parts.hostname or "") if parts and parts.scheme in ("http", "https") else ""
        if shown and host and not same_organization(shown[1], host):
            observed = f"{shown[1]} leads to {host}"
            return finding(
                "lint.link-text", WARN, observed, fix="differs", shown=shown[1], host=host
            )
    return finding("lint.link-text", OK, "no link shows a foreign host")


def _shorteners(reading: Reading) -> Finding:
    hosts = {(parts.hostname or "") for parts in map(_parts, _urls(reading)) if parts}
    found = sorted(hosts & hosts_of_kind("shortener"))
    if found:
        return finding(
            "lint.shorteners", WARN, ", ".join(found), fix="found", hosts=", ".join(found)
        )
    return finding("lint.shorteners", OK, "no public shortener")


def _privacy(reading: Reading) -> Finding:
    """An address in a URL, plain, percent-encoded or in base64."""
    forms = {
        form: address
        for address in reading.recipients[:20]
        for form in (
            address.lower(),
            quote(address.lower(), safe=""),
            base64.b64encode(address.encode("utf-8", "replace")).decode().rstrip("=").lower(),
        )
    }
    for url in _urls(reading):
        plain = url.lower()
        if plain.startswith("mailto:"):
            continue
        for form in forms:
            if form in plain or form in unquote(plain):
                return finding("lint.privacy", WARN, url[:120], fix="found", url=url[:120])
    return finding("lint.privacy", OK, "no address of a recipient in a URL")

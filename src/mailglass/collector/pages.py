"""The few pages that a recipient may see: plain, without scripts, in their language.

The texts are data (`pages.toml`). Whatever came from outside is escaped, and stands as text: a page
never links to a destination that is not signed.
"""

from __future__ import annotations

import base64
import tomllib
from hashlib import sha256
from html import escape
from importlib.resources import files

__all__ = ["PAGE_FIELDS", "choose_language", "page"]

_TEXTS: dict[str, dict[str, dict[str, str | list[str]]]] = tomllib.loads(
    files(__package__).joinpath("pages.toml").read_text("utf-8")
)
_TAG = {"en": "en", "zh": "zh-Hans", "ko": "ko"}  # of the html element (BCP 47)

_STYLE = (
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:36rem;margin:12vh auto 4rem;"
    "padding:0 1.25rem;color:#1c2127;background:#fff}"
    "h1{font-size:1.5rem;line-height:1.3}"
    "code{display:block;padding:.75rem 1rem;background:#f1f3f5;border-radius:.4rem;"
    "overflow-wrap:anywhere}"
    "input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem .6rem}"
    "button{font:inherit;padding:.55rem 1.2rem;border:0;border-radius:.4rem;background:#1d5fa8;"
    "color:#fff;cursor:pointer}"
    "button:focus-visible{outline:3px solid #f2a900;outline-offset:2px}"
    "@media(prefers-color-scheme:dark){body{color:#e6e8ea;background:#16191d}"
    "code{background:#252a30}}"
)
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()

PAGE_FIELDS = (
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Vary", "Accept-Language"),
)


def choose_language(accept: str) -> str:
    """The language of ours that an Accept-Language header (RFC 9110 section 12.5.4) likes best."""
    best, best_quality = "en", 0.0
    for item in accept[:200].split(","):
        tag, _, parameters = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            quality = float(parameters.partition("q=")[2] or 1.0)
        except ValueError:
            continue
        if language in _TEXTS and quality > best_quality:
            best, best_quality = language, quality
    return best


def page(name: str, language: str, *, to: str = "", since: str = "") -> bytes:
    """A page by its name in `pages.toml`; `to` and `since` are put in where its text has them."""
    text = _TEXTS[language][name]
    title = escape(str(text["title"]))
    paragraphs = "".join(_paragraph(line, to, since) for line in text["text"])
    button = _form(str(text["button"]), str(text.get("field", ""))) if "button" in text else ""
    return (
        f'<!doctype html><html lang="{_TAG[language]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{paragraphs}{button}</main></body></html>\n"
    ).encode("utf-8", "replace")


def _paragraph(line: str, to: str, since: str) -> str:
    if line == "{to}":
        return f"<p><code>{escape(to)}</code></p>"
    return f"<p>{escape(line).replace('{since}', escape(since))}</p>"


def _form(button: str, field: str) -> str:
    """A button that posts to the page's own address; only a press of it changes anything.

    `field` is the label of an address that goes along; none without one.
    """
    asked = (
        f'<p><label>{escape(field)}<br><input name="address" inputmode="email" '
        'autocomplete="email" maxlength="320" required></label></p>'
    )
    return (
        f'<form method="post">{asked if field else ""}'
        f'<button name="confirm" value="yes">{escape(button)}</button></form>'
    )

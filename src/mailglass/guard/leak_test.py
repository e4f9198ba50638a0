"""A mail that uses every loader once, pointed at one's own collector.

Whoever opens it learns which of them their mail program lets through: each loader asks for a path
of its own. It is written from the guard's own table, so that what the guard knows is what is
tested. Nothing in it names anybody but the collector that the caller runs.

That nothing was asked for is no answer as long as nobody has opened the mail, so that it holds a
link to press when it is open.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from .reach import absolute
from .tables import read_table

__all__ = ["OPENED", "leak_html", "leak_message", "leak_names", "leak_report"]

OPENED = "opened"  # what the link asks for
_LINK = "I have opened it now"

_CSS = {
    "css-background": "p.leak{{background:url({u})}}",
    "css-import": "@import '{u}';",
    "css-font-face": "@font-face{{font-family:leak;src:url({u})}} p.leak{{font-family:leak}}",
    "css-content": "p.leak::before{{content:url({u})}}",
    "css-list-style": "p.leak{{display:list-item;list-style:url({u})}}",
    "css-escape": "div.leak{{background:u\\72l({u})}}",
}
_RELATIONS = ("stylesheet", "icon", "prefetch", "dns-prefetch", "preconnect", "preload", "manifest")
_INSIDE_SVG = frozenset(("use", "feimage", "image", "fill", "stroke", "imagedata"))
# These need a partner, a click or a program that no longer exists; the rest say what they do alone.
_LEFT_OUT = frozenset(("*", "amp-*", "base", "link", "meta", "isindex", "applet", "import", "xml"))


def leak_names() -> list[str]:
    """The loaders that the test mail uses, as its paths name them."""
    return [name for name, _ in _constructs("")]


def leak_html(base_url: str) -> str:
    """The document; loader `x` asks for `base_url/x`."""
    css = "".join(
        f"<style>{form.format(u=f'{base_url}/{name}')}</style>" for name, form in _CSS.items()
    )
    body = "\n".join(markup for name, markup in _constructs(base_url) if name not in _CSS)
    return (
        f"<!DOCTYPE html><html><head><title>Leak test</title>{css}</head><body>"
        f"<p class=leak>This mail asks a server of your own for one thing by each way that is"
        f" known. What your mail program let through stands in the report.</p>"
        f'<p><a href="{base_url}/{OPENED}">{_LINK}</a>: press it when all is loaded, or the report'
        f" cannot tell what is blocked.</p><div class=leak></div>\n{body}\n</body></html>\n"
    )


def leak_message(base_url: str, author: str, recipient: str) -> bytes:
    """The whole mail, with a receipt request among its ways.

    Raises ValueError when `base_url` is no absolute http URL.
    """
    if absolute(base_url) is None:
        raise ValueError(f"{base_url!r} is no absolute http URL")
    message = EmailMessage()
    message["From"], message["To"] = author, recipient
    message["Subject"] = "Leak test"
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="leak-test.invalid")
    message["Disposition-Notification-To"] = author
    base_url = base_url.rstrip("/")
    message.set_content(
        "This mail tests what your mail program asks for; open its HTML part.\n"
        f"{_LINK}: {base_url}/{OPENED}\n"
    )
    message.add_alternative(leak_html(base_url), subtype="html")
    return message.as_bytes()


def leak_report(asked: Collection[str]) -> list[str]:
    """The lines that say which loaders asked, and no more of the others than can be known."""
    names = leak_names()
    through = [name for name in names if name in asked]
    head = f"{len(through)} of {len(names)} loaders were let through"
    if OPENED not in asked and not through:
        return [
            f"{head}: not opened (or everything is blocked)",
            f"Open the mail, press its link “{_LINK}”, and what did not ask is blocked.",
        ]
    silent = "blocked  "
    if OPENED not in asked:
        silent = "not asked"
        head += f"; “{_LINK}” was not pressed, so the others are blocked only if you opened it"
    return [head, *(f"  {'ASKED    ' if name in through else silent} {name}" for name in names)]


def _constructs(base_url: str) -> Iterable[tuple[str, str]]:
    for name in _CSS:
        yield name, ""
    for relation in _RELATIONS:
        name = f"link-{relation}"
        yield name, f'<link rel="{relation}" href="{base_url}/{name}">'
    yield "inline-css", f"<p style=\"background:url('{base_url}/inline-css')\">&nbsp;</p>"
    yield "td-background", f'<table background="{base_url}/td-background"><tr><td>&nbsp;</table>'
    for row in read_table("loaders.tsv"):
        element, attribute = row["element"], row["attribute"]
        if element in _LEFT_OUT or row["when"] != "display" or row["kind"] not in _KINDS:
            continue
        name = f"{element}-{attribute.replace(':', '-')}"
        yield name, _element(element, attribute, f"{base_url}/{name}")


_KINDS = ("url", "srcset", "html")


def _element(element: str, attribute: str, url: str) -> str:
    value = html.escape(f"<img src='{url}'>" if attribute == "srcdoc" else url)
    extra = ' type="image"' if element == "input" else ""
    tag = f'<{element}{extra} {attribute}="{value}"></{element}>'
    if element in _INSIDE_SVG and attribute != "src":
        return f'<svg xmlns:xlink="http://www.w3.org/1999/xlink">{tag}</svg>'
    return f"<video>{tag}</video>" if element in ("source", "track") else tag

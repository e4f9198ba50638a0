"""Mail to send in the demo: varied languages, purposes, charsets, links and attachments.

The texts stand in data/letters.toml. The same seed gives the same bytes. Recipients live at
reserved domains (RFC 2606), so that a demo with a wrong smarthost reaches nobody.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random
from typing import Any

from .population import Population
from .tables import read_table

__all__ = ["Letter", "letters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message as a mail program would hand it in."""

    author: str  # also the envelope's return path
    recipients: tuple[str, ...]
    content: bytes  # CRLF line ends, 8-bit where a text is
    language: str
    kind: str  # transactional, newsletter or support


_SITE = "https://www.harbour-lane.example"
_AUTHOR_DOMAIN = "harbour-lane.example"
_START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
_LANGUAGES = {"en": 0.5, "zh": 0.25, "ko": 0.25}
_HOMES = {"zh": "home-cn", "ko": "home-kr"}
_AT_HOME = 0.75  # assumed: share of Chinese and Korean readers with a provider of their country
_SEVERAL = 0.1  # assumed: share of letters to more than one recipient
# What programs really write; a text that does not fit its charset is sent as UTF-8.
_CHARSETS = {
    "en": (("us-ascii", "7bit"), ("utf-8", "quoted-printable"), ("utf-8", "8bit")),
    "zh": (("utf-8", "base64"), ("gb18030", "base64"), ("utf-8", "8bit")),
    "ko": (("utf-8", "base64"), ("euc-kr", "base64"), ("utf-8", "8bit")),
}


def letters(
    count: int, seed: int = 0, *, start: datetime = _START, site: str = _SITE
) -> Iterator[Letter]:
    """`count` letters, a minute apart; their links point below `site`."""
    table = read_table("letters.toml")
    population = Population(seed)
    for number in range(count):
        rng = Random(f"{seed}/letter/{number}")
        yield _write(table, population, rng, number, start + timedelta(minutes=number), site)


def _write(
    table: dict[str, Any],
    population: Population,
    rng: Random,
    number: int,
    at: datetime,
    site: str,
) -> Letter:
    language = rng.choices(list(_LANGUAGES), list(_LANGUAGES.values()))[0]
    form = rng.choice([form for form in table["letter"] if form["language"] == language])
    people = rng.sample(table["people"][language], rng.randint(2, 3) if _chance(rng) else 1)
    recipients = [(name, f"{local}{rng.randrange(90)}") for name, local in people]
    addresses = [f"{local}@{_domain(population, language, rng)}" for _, local in recipients]
    values = {
        "name": people[0][0],
        "number": f"{rng.randrange(10_000, 99_999)}",
        "product": rng.choice(table["products"][language]),
        "amount": f"{rng.randrange(20, 900)}.{rng.randrange(100):02}",
        "day": f"{at + timedelta(days=rng.randint(3, 30)):%Y-%m-%d}",
    }
    message = _headers(form, people, addresses, values, number, at, site)
    _bodies(message, form, values, rng, site)
    _attach(message, form, values, at)
    _name_boundaries(message, number)
    return Letter(
        author=f"{form['author'][1]}@{_AUTHOR_DOMAIN}",
        recipients=tuple(addresses),
        content=message.as_bytes(),
        language=language,
        kind=form["kind"],
    )


def _chance(rng: Random) -> bool:
    return rng.random() < _SEVERAL


def _domain(population: Population, language: str, rng: Random) -> str:
    home = _HOMES.get(language)
    wants_home = home is not None and rng.random() < _AT_HOME
    while True:
        provider = population.draw_provider(rng)
        is_home = home is not None and home in provider.homes
        is_foreign = any(other in provider.homes for other in _HOMES.values())
        if is_home if wants_home else not is_foreign:
            return population.draw_domain(provider, rng, stand_ins=True)


def _headers(
    form: dict[str, Any],
    people: list[list[str]],
    addresses: list[str],
    values: dict[str, str],
    number: int,
    at: datetime,
    site: str,
) -> EmailMessage:
    message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    author = form["author"]
    message["From"] = f'"{author[0]}" <{author[1]}@{_AUTHOR_DOMAIN}>'
    pairs = zip(people, addresses, strict=True)
    message["To"] = ", ".join(f'"{person[0]}" <{address}>' for person, address in pairs)
    message["Subject"] = form["subject"].format_map(values)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<letter-{values['number']}-{number}@{_AUTHOR_DOMAIN}>"
    if form["kind"] == "newsletter":
        message["List-Id"] = f"<{author[1]}.{_AUTHOR_DOMAIN}>"
        message["List-Unsubscribe"] = f"<{site}/unsubscribe/{values['number']}>"
    if form["subject"].startswith(("Re:", "回复", "답장")):
        message["In-Reply-To"] = f"<question-{values['number']}@mail.example>"
    return message


def _bodies(
    message: EmailMessage, form: dict[str, Any], values: dict[str, str], rng: Random, site: str
) -> None:
    paragraphs = [paragraph.format_map(values) for paragraph in form["paragraphs"]]
    links = [
        (label.format_map(values), f"{site}{path.format_map(values)}")
        for label, path in form["links"]
    ]
    plain = "\n\n".join([*paragraphs, *(f"{label}: {url}" for label, url in links)]) + "\n"
    page = _page(form["kind"], message["Subject"], paragraphs, links)
    charset, encoding = rng.choice(_CHARSETS[form["language"]])
    if not _fits(plain + page, charset):
        charset, encoding = "utf-8", "base64"
    message.set_content(plain, charset=charset, cte=encoding)
    message.add_alternative(page, subtype="html", charset=charset, cte=encoding)


def _fits(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _page(kind: str, title: str, paragraphs: list[str], links: list[tuple[str, str]]) -> str:
    """The HTML part: a letter, or for a newsletter a table as such mail is laid out."""
    texts = [f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs]
    anchors = [
        f'<p><a href="{html.escape(url)}">{html.escape(label)}</a></p>' for label, url in links
    ]
    inner = "\n".join([*texts, *anchors])
    if kind == "newsletter":
        inner = (
            '<table role="presentation" width="600" align="center"><tr>\n'
            f"<td><h1>{html.escape(title)}</h1>\n{inner}</td>\n</tr></table>"
        )
    return (
        f"<!DOCTYPE html>\n<html><head><title>{html.escape(title)}</title></head>\n"
        f"<body>\n{inner}\n</body></html>\n"
    )


def _attach(
    message: EmailMessage, form: dict[str, Any], values: dict[str, str], at: datetime
) -> None:
    kind = form.get("attachment")
    if kind == "csv":
        rows = f"number,item,amount\n{values['number']},{values['product']},{values['amount']}\n"
        message.add_attachment(
            rows.encode(), maintype="text", subtype="csv", filename=f"{values['number']}.csv"
        )
    elif kind == "ics":
        message.add_attachment(
            _calendar(values, at).encode(),
            maintype="text",
            subtype="calendar",
            filename="appointment.ics",
        )


def _calendar(values: dict[str, str], at: datetime) -> str:
    """An appointment a week after the letter (RFC 5545)."""
    begin = at + timedelta(days=7)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Mailglass//demo//EN",
        "BEGIN:VEVENT",
        f"UID:{values['number']}@{_AUTHOR_DOMAIN}",
        f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
        "DURATION:PT1H",
        f"SUMMARY:{values['product']}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _name_boundaries(message: EmailMessage, number: int) -> None:
    """Fixed boundaries: the e-mail package draws random ones."""
    containers = [part for part in message.walk() if part.is_multipart()]
    for depth, part in enumerate(containers):
        part.set_boundary(f"=_letter_{number}_{depth}")

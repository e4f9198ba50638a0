"""Calendar entries, cards and other bodies that are no HTML: found, and silenced where shown."""

from __future__ import annotations

import base64
import email
import quopri
import re

import pytest
from guard_mail import HEAD, mail, multipart
from hypothesis import given
from hypothesis import strategies as st

from mailglass.guard import Remove, clean, inspect, restore
from mailglass.guard.lines import find_in_calendar

BEACON = "https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
HELLO = ("Content-Type: text/plain", "hello")
CARD = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Shop\r\n%s:{BEACON}\r\nURL:https://shop.example/\r\nEND:VCARD"
ENTRY = f"""BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
X-ALT-DESC;FMTTYPE=text/html:<p>Sale\\, today\\;</p><img width="1"\r
  height="1" src="{BEACON[:30]}\r
 {BEACON[30:]}">\\n<p>See you there\r
IMAGE;VALUE=URI;DISPLAY=BADGE:{BEACON}i\r
ATTACH:{BEACON}a\r
SUMMARY:Sale\r
END:VEVENT\r
END:VCALENDAR\r
"""


def encoded(text: str, encoding: str) -> str:
    data = text.encode()
    if encoding == "base64":
        return base64.encodebytes(data).decode()
    return quopri.encodestring(data).decode() if encoding == "quoted-printable" else text


def silenced(raw: bytes) -> bytes:
    """The clean copy of all that is asked for, clean itself, and undone exactly."""
    cleaned = clean(raw, remove=Remove.ALL)
    assert restore(cleaned.data, cleaned.edits) == raw
    assert clean(cleaned.data, remove=Remove.ALL).data == cleaned.data
    assert not inspect(cleaned.data).resources
    return cleaned.data


def last_part(raw: bytes) -> str:
    part = list(email.message_from_bytes(raw).walk())[-1]
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode()


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize(
    ("property_", "loader"),
    [
        ("PHOTO;VALUE=URI", "card-photo"),
        ("LOGO;VALUE=uri", "card-logo"),
        ("SOUND;TYPE=BASIC;VALUE=URL", "card-sound"),
        ("KEY;MEDIATYPE=application/pgp-keys", "card-key"),
        ("item1.PHOTO", "card-photo"),
        ("photo", "card-photo"),
    ],
)
@pytest.mark.parametrize("kind", ["text/vcard", "text/x-vcard", "text/directory; profile=vCard"])
def test_what_a_card_loads_is_found_and_silenced(
    kind: str, property_: str, loader: str, encoding: str
) -> None:
    fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}"
    raw = multipart("mixed", HELLO, (fields, encoded(CARD % property_, encoding)))
    (resource,) = inspect(raw).trackers
    assert (resource.url, resource.loader, resource.part) == (BEACON, loader, "2")
    text = last_part(silenced(raw))
    assert "FN:Shop\r\n" in text
    assert "URL:https://shop.example/" in text


def test_a_card_of_the_old_kind_encodes_its_values_itself() -> None:
    quoted = CARD % "PHOTO;ENCODING=QUOTED-PRINTABLE;VALUE=URL"
    quoted = quoted.replace(BEACON, BEACON[:20] + "=\r\n" + BEACON[20:].replace("=", "=3D"))
    hidden = (CARD % "PHOTO;ENCODING=b;VALUE=URI").replace(
        BEACON, base64.b64encode(BEACON.encode()).decode()
    )
    for card in (quoted, hidden):
        raw = multipart("mixed", HELLO, ("Content-Type: text/vcard", card))
        assert {r.url for r in inspect(raw).trackers} == {BEACON}
        silenced(raw)


def test_an_attached_card_stays_and_is_named() -> None:
    for fields in (
        "Content-Type: application/octet-stream; name=a.vcf",
        "Content-Type: text/vcard\r\nContent-Disposition: attachment; filename=a.vcf",
    ):
        raw = multipart("mixed", HELLO, (fields, CARD % "PHOTO"))
        cleaned = clean(raw)
        assert [(r.url, r.shown) for r in cleaned.report.trackers] == [(BEACON, False)]
        assert (cleaned.data, cleaned.left_alone) == (raw, ("2: it is an attachment",))


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_calendar_entry_that_is_shown_is_silenced(encoding: str, line_end: str) -> None:
    entry = ENTRY.replace("\r\n", line_end)
    fields = f"Content-Type: text/calendar; method=REQUEST\r\nContent-Transfer-Encoding: {encoding}"
    raw = multipart("alternative", HELLO, (fields, encoded(entry, encoding)))
    loaders = {r.loader: r.url for r in inspect(raw).resources}
    assert loaders == {
        "img-src": BEACON, "calendar-image": BEACON + "i", "calendar-attach": BEACON + "a",
    }  # fmt: skip
    text = last_part(silenced(raw)).replace("\r\n", "\n")
    assert max(map(len, text.split("\n"))) <= 75
    unfolded = text.replace("\n ", "")
    assert '<p>Sale\\, today\\;</p><img width="1" height="1" src="data:image/gif\\;base64\\,' in (
        unfolded
    )
    assert '">\\n<p>See you there\n' in unfolded
    assert "\nSUMMARY:Sale\n" in unfolded
    assert "\nATTACH:about:blank\n" in unfolded


LINES = {
    "calendar-altrep": [
        'DESCRIPTION;ALTREP="{}":Hello',
        'DESCRIPTION;LANGUAGE=en;altrep = "{}";X-A=b:Hello',
        "SUMMARY;ALTREP={}:Hello",
        'SUMMARY;ALTREP="";ALTREP="{}":Hello',
        'LOCATION;ALTREP="{}":https://shop.example/where',
        'ATTACH;ALTREP="{}":cid:1',
        'X-ALT-DESC;FMTTYPE=text/html;ALTREP="{}":<p>Hello</p>',
    ],
    "calendar-conference": ["CONFERENCE;VALUE=URI:{}", "CONFERENCE;VALUE=URI;FEATURE=VIDEO:{}"],
    "calendar-styled-description": ["STYLED-DESCRIPTION;VALUE=URI:{}"],
    "calendar-structured-data": ["STRUCTURED-DATA;VALUE=URI:{}"],
    "calendar-link": ["LINK;VALUE=URI;LINKREL=SOURCE:{}"],
    "calendar-source": ["SOURCE;VALUE=URI:{}"],
    "card-source": ["SOURCE:{}", "item1.SOURCE;PREF=1:{}"],
    "card-fburl": ["FBURL;MEDIATYPE=text/calendar:{}"],
    "card-caluri": ["CALURI:{}"],
    "card-agent": ["AGENT;VALUE=uri:{}"],
}


@pytest.mark.parametrize(
    ("loader", "line"), [(loader, line) for loader, lines in LINES.items() for line in lines]
)
@pytest.mark.parametrize("fold", [0, 30])
def test_a_line_that_names_what_programs_ask_for_is_found_and_silenced(
    loader: str, line: str, fold: int
) -> None:
    line = line.format(BEACON)
    line = f"{line[:fold]}\r\n {line[fold:]}" if fold else line
    kind, form = ("text/calendar", ENTRY) if loader.startswith("calendar") else ("text/vcard", CARD)
    begin = form.split("\r\n")[0]
    raw = multipart("mixed", HELLO, (f"Content-Type: {kind}", f"{begin}\r\n{line}\r\n"))
    (found,) = inspect(raw).resources
    assert (found.url, found.loader) == (BEACON, loader)
    text = last_part(silenced(raw)).replace("\r\n ", "")
    assert line.replace("\r\n ", "").partition(BEACON)[0] in text, "the rest of the line stays"


def test_where_people_meet_stays_and_is_told_as_a_link() -> None:
    url = "https://meet.example/abc-defg-hij"
    entry = f"BEGIN:VCALENDAR\r\nCONFERENCE;VALUE=URI;LABEL=Join:{url}\r\nEND:VCALENDAR\r\n"
    raw = multipart("alternative", HELLO, ("Content-Type: text/calendar", entry))
    assert [link.url for link in inspect(raw).links] == [url]
    assert clean(raw).data == raw


def test_with_the_usual_amount_of_cleaning_its_beacons_go() -> None:
    raw = multipart("alternative", HELLO, ("Content-Type: text/calendar", ENTRY))
    assert not {"img-src", "calendar-image"} & {r.loader for r in inspect(clean(raw).data).trackers}


def test_an_attached_calendar_stays_and_is_named() -> None:
    fields = "Content-Type: text/calendar\r\nContent-Disposition: attachment; filename=a.ics"
    raw = multipart("mixed", HELLO, (fields, ENTRY))
    cleaned = clean(raw)
    assert cleaned.report.trackers
    assert (cleaned.data, cleaned.left_alone) == (raw, ("2: it is an attachment",))


SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{BEACON}" width="1"/></svg>'


@pytest.mark.parametrize("kind", ["mixed", "alternative"])
def test_an_svg_body_is_silenced(kind: str) -> None:
    silenced(mail(SVG, content_type="image/svg+xml"))
    silenced(multipart(kind, HELLO, ("Content-Type: image/svg+xml", SVG)))


def test_an_svg_attachment_stays_and_is_named() -> None:
    raw = multipart("mixed", HELLO, ("Content-Type: image/svg+xml; name=a.svg", SVG))
    cleaned = clean(raw)
    assert (cleaned.data, cleaned.left_alone) == (raw, ("2: it is an attachment",))


EXTERNAL = {
    "url": f'access-type=URL; URL="{BEACON}"',
    "folded": f'access-type=URL;\r\n URL="{BEACON[:20]}\r\n {BEACON[20:]}"',
    "in pieces": f'access-type=URL; URL*0="{BEACON[:20]}"; URL*1="{BEACON[20:]}"',
    "bare": f"URL={BEACON}; access-type=url",
}


@pytest.mark.parametrize("parameters", EXTERNAL.values(), ids=EXTERNAL)
def test_a_body_that_lies_elsewhere_is_found_and_its_address_goes(parameters: str) -> None:
    part = (f"Content-Type: message/external-body; {parameters}", "Content-Type: image/gif\r\n")
    raw = multipart("mixed", HELLO, part)
    (tracker,) = inspect(raw).trackers
    assert (tracker.url, tracker.loader, tracker.part) == (BEACON, "external-body", "2")
    silenced(raw)
    whole = f"{HEAD}{part[0]}\r\n\r\n{part[1]}".encode()
    copy = email.message_from_bytes(silenced(whole))
    assert re.match(r"message/external-body(?:; access-type=url)?\Z", copy["Content-Type"], re.I)


def test_a_body_on_an_ftp_server_is_found() -> None:
    kind = "message/external-body; access-type=anon-ftp; site=t.example; directory=pub; name=k3.gif"
    raw = multipart("mixed", HELLO, (f"Content-Type: {kind}", "Content-Type: image/gif\r\n"))
    assert [r.url for r in inspect(raw).resources] == ["ftp://t.example/pub/k3.gif"]


@given(st.lists(st.sampled_from(
    ["<img src='https://t.example/a'>", "\\,", "\\n", "\\;", "\\\\", "x", "'", "\r\n ", "\n\t"]
), max_size=20).map("".join))  # fmt: skip
def test_what_is_found_in_folded_text_stands_where_it_is_said_to(text: str) -> None:
    entry = "A:b\r\nX-ALT-DESC:" + text
    for reference in find_in_calendar(entry).references:
        span = entry[reference.start : reference.end]
        assert span.replace("\r\n ", "").replace("\n\t", "").startswith("https://t.example/a")

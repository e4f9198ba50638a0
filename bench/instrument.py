"""Instrumentation beside pytracking 0.2.2 and the standard library.

    python bench/instrument.py

Prints the tables and writes bench/results/instrument.md.  pytracking is needed for this only:
`pip install 'pytracking[html,crypto]==0.2.2'`.  Times are CPU seconds of this process, the best of
several rounds in turn, because other programs may share the machine; what counts are the ratios.
In its turn each way does its work ten times, as a service does that handles message after message.
"""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "src"))

from mailglass.instrument import Options, compile_message  # noqa: E402
from mailglass.tokens import Ring  # noqa: E402

LINKS = 40
ROUNDS = 15
TIMES = 10  # in each turn
MAILS = 3000  # rendered for the merge's rate
BIG = 25_000_000  # bytes of the mail with attachments
RING = Ring([bytes(32)])
OPTIONS = Options(base_url="https://track.example.com")

ROW = """<tr>
  <td class="card" style="padding:10px 20px;font-family:Arial,Helvetica,sans-serif;color:#333">
    <table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0">
      <tr><td align="left" style="padding:0 0 8px"><img src="https://cdn.example.com/i/%d.png"
        width="280" height="140" alt="Offer" style="display:block"></td></tr>
      <tr><td style="font-size:18px;line-height:24px"><strong>Offer number %d</strong></td></tr>
      <tr><td style="font-size:14px;line-height:20px;color:#555555">
        Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor
        incididunt ut labore et dolore magna aliqua.<br>Ut enim ad minim veniam, quis nostrud.
      </td></tr>
      <tr><td><a class="button" href="https://shop.example.com/category-%d/item?ref=mail&amp;id=%d"
        target="_blank" style="color:#06c;text-decoration:none">Read more</a></td></tr>
    </table>
  </td>
</tr>
"""


def newsletter() -> str:
    """About 40 kB of HTML with 40 links, in the manner of table layouts."""
    rows = "".join(ROW % (n, n, n, n) for n in range(LINKS))
    head = "<!DOCTYPE html>\n<html><head><title>News</title><style>td{margin:0}</style></head>"
    return f"{head}<body><table>\n{rows}</table></body></html>\n"


HTML = newsletter()


def message(encoding: str) -> bytes:
    data = HTML.encode()
    body = {"base64": base64.encodebytes, "quoted-printable": binascii.b2a_qp}.get(
        encoding, lambda d: d
    )(data)
    head = "From: a@example.com\nTo: b@example.com\nSubject: News\nMIME-Version: 1.0\n"
    head += "Content-Type: text/html; charset=utf-8\n"
    return f"{head}Content-Transfer-Encoding: {encoding}\n\n".encode() + body


class Stdlib(HTMLParser):
    """What the standard library offers: every tag read and written again."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        href = dict(attrs).get("href")
        if tag == "a" and href:
            token = base64.urlsafe_b64encode(href.encode()).decode()
            text = text.replace(href.replace("&", "&amp;"), f"https://track.example.com/{token}")
        self.out.append(text)

    def handle_endtag(self, tag: str) -> None:
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.out.append(data)


def by_stdlib() -> str:
    parser = Stdlib()
    parser.feed(HTML)
    return "".join(parser.out)


def written(html: str) -> bytes:
    """A message of the standard library around a changed body."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "News"
    mail.set_content(html, subtype="html")
    return mail.as_bytes()


def rivals() -> dict[str, Callable[[], str]]:
    """pytracking's `adapt_html`, with open tokens as it makes them, and with encrypted ones."""
    try:
        import pytracking
        from cryptography.fernet import Fernet
        from pytracking.html import adapt_html
    except ImportError as error:
        sys.exit(f"{error}; pip install 'pytracking[html,crypto]==0.2.2'")
    found = {}
    for name, key in (("plain", None), ("Fernet", Fernet.generate_key())):
        configuration = pytracking.Configuration(
            base_open_tracking_url="https://track.example.com/o/",
            base_click_tracking_url="https://track.example.com/c/",
            encryption_bytestring_key=key,
        )
        found[f"pytracking {name}"] = lambda c=configuration: adapt_html(
            HTML, extra_metadata={"delivery": 7}, configuration=c
        )
    return found


def best(ways: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of CPU for each way: the best of rounds in which all take turns."""
    found = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(TIMES):
                way()
            found[name] = min(found[name], (time.process_time() - start) * 1000 / TIMES)
    return found


def table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def same_job(adapt: Callable[[], str], raw: bytes) -> bytes:
    """What a message costs a rival that changes HTML only: read by the standard library, written
    again.
    """
    mail = email.message_from_bytes(raw, policy=email.policy.SMTP)
    mail.get_content()
    mail.set_content(adapt(), subtype="html")
    return mail.as_bytes()


def one_message() -> str:
    ways: dict[str, Callable[[], object]] = {**rivals(), "stdlib html.parser": by_stdlib}
    for name, way in rivals().items():
        ways[f"{name}, message to message"] = lambda way=way: same_job(way, message("8bit"))
    for encoding in ("8bit", "quoted-printable", "base64"):
        raw = message(encoding)
        ways[f"mailglass, {encoding}"] = lambda raw=raw: compile_message(
            raw, OPTIONS, ring=RING
        ).render(7, RING)
    found = best(ways)
    rows = [
        [
            name,
            f"{ms:.2f}",
            f"{found['pytracking plain'] / ms:.1f}",
            f"{found['pytracking Fernet'] / ms:.1f}",
        ]
        for name, ms in found.items()
    ]
    title = f"One message at a time: {len(HTML)} bytes of HTML, {LINKS} links"
    return table(title, ["way", "ms", "times plain", "times Fernet"], rows)


def merge() -> str:
    rival = rivals()
    templates = {
        encoding: compile_message(message(encoding), OPTIONS, ring=RING)
        for encoding in ("8bit", "quoted-printable", "base64")
    }
    ways: dict[str, Callable[[], object]] = {
        f"{name}, then EmailMessage": lambda way=way: written(way()) for name, way in rival.items()
    }
    ways |= {f"{name}, HTML only": way for name, way in rival.items()}
    for name, template in templates.items():
        ways[f"mailglass render, {name}"] = lambda t=template: [
            t.render(n, RING) for n in range(50)
        ]
    found = best(ways)
    found = {n: ms / 50 if n.startswith("mailglass") else ms for n, ms in found.items()}
    slowest = found["pytracking plain, then EmailMessage"]
    rows = [
        [name, f"{ms:.3f}", f"{1000 / ms:,.0f}", f"{slowest / ms:.0f}"]
        for name, ms in found.items()
    ]
    return table("Merge: one message for each recipient", ["way", "ms", "a second", "times"], rows)


def steady_memory() -> str:
    """Peak memory before and after many recipients."""
    template = compile_message(message("quoted-printable"), OPTIONS, ring=RING)
    rows = []
    for count in (100, MAILS):
        for number in range(count):
            template.render(number, RING)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rows.append([f"{count:,}", f"{peak / 1024:.1f}"])
    return table("Merge: memory", ["recipients", "peak MiB of the process"], rows)


BIG_RUN = """
import re, sys
sys.path.insert(0, sys.argv[1])
from mailglass.instrument import Options, compile_message, attachment_digest, write_plan
from mailglass.tokens import Ring
ring = Ring([bytes(32)])
options = Options(base_url="https://track.example.com", attachments=sys.argv[3])
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
compile_message(b"A: b\\nContent-Type: text/html\\n\\n<a href=http://e/>", options, ring=ring,
                store=lambda c, n: attachment_digest(c)).render(1, ring)
base = peak()
raw = open(sys.argv[2], "rb").read()
template = compile_message(raw, options, ring=ring, store=lambda c, n: attachment_digest(c))
with open("/dev/null", "wb") as out:
    out.writelines(template.render_pieces(1, ring))
    pieces = peak() - base
    out.writelines(write_plan(template.plan(1, ring)))
    planned = peak() - base
    out.write(template.render(1, ring))
print(len(raw), pieces, planned, peak() - base)
"""


def big_mail() -> str:
    """Peak memory of a process that instruments a mail of 25 MB, over that of an empty one."""
    part = base64.encodebytes(os.urandom(BIG // 2 * 57 // 78))
    head = b"From: a@b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    body = b"--b\nContent-Type: text/html\n\n<p>x</p><a href='https://e.example/'>y</a>\n"
    for number in range(2):
        body += b"--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n"
        body += b"Content-Disposition: attachment; filename=%d.pdf\n\n%b\n" % (number, part)
    rows = []
    with tempfile.NamedTemporaryFile() as file:
        file.write(head + body + b"--b--\n")
        file.flush()
        for mode in ("keep", "link"):
            command = [sys.executable, "-c", BIG_RUN, str(PROJECT / "src"), file.name, mode]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            size, pieces, planned, whole = map(int, done.stdout.split())
            row = [mode, f"{size / 1e6:.1f}"]
            rows.append(row + [f"{peak / size:.2f}" for peak in (pieces, planned, whole)])
    columns = ["attachments", "MB", "written in pieces", "and its plan", "and as one bytes object"]
    return table("A big mail: peak memory, times its size", columns, rows)


def main() -> None:
    """Run everything; print and write the tables."""
    now = datetime.now(UTC).date()
    machine = f"Debian 12, 2 shared cores, Python {platform.python_version()}, {now}"
    report = f"# Instrumentation\n\n`python bench/instrument.py`, {machine}.\n\n" + "\n".join(
        part() for part in (one_message, merge, steady_memory, big_mail)
    )
    print(report)
    (PROJECT / "bench" / "results").mkdir(exist_ok=True)
    (PROJECT / "bench" / "results" / "instrument.md").write_text(report)


if __name__ == "__main__":
    main()

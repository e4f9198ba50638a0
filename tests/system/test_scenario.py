"""One mail, the whole way, with servers and a client that we did not write."""

from __future__ import annotations

import email
import email.policy
import os
import shutil
from email.message import EmailMessage
from pathlib import Path

import pytest
from installation import Running, free_ports, running
from mailhost import mail_host

CHROMIUM = shutil.which("chromium")


@pytest.mark.servers
def test_postfix_dovecot_and_chromium_see_one_mail_tracked_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Queued, delivered, opened and clicked stand in the timeline, in order, with evidence.

    Postfix takes the mail from our courier and hands it to Dovecot; it is read back over IMAP and
    opened in Chromium, which loads the beacon and follows the link.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    smtp, lmtp, imap, destination = free_ports(4)
    link = f"http://127.0.0.1:{destination}/welcome?from=mail&n=1"
    with (
        mail_host([smtp, lmtp, imap]) as host,
        running(
            tmp_path / "data",
            smarthost_host="127.0.0.1",
            smarthost_port=str(host.smtp_port),
            smarthost_security="none",
            # The seconds until Chromium shows the mail stand in the history for the minutes that
            # a person lets pass: so early after delivery it would rightly be a machine.
            demo_pace="even 500",
        ) as glass,
        playwright.sync_playwright() as p,
    ):
        number = submit(glass, link)
        (raw,) = host.messages("alice@reader.test", 1)
        browser = p.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            env={**os.environ, "HOME": str(tmp_path)},
        )
        page = browser.new_context(user_agent=A_PERSONS_BROWSER).new_page()
        page.route(link, lambda route: route.fulfill(body="welcome"))
        with page.expect_response(lambda r: "/o/" in r.url) as beacon:
            page.set_content(html_of(raw))
        assert beacon.value.status == 200
        assert page.inner_text("p") == "Hello Alice, look here ▸"
        page.click("a")
        page.wait_for_url(link)
        browser.close()
        story = wait_for_events(glass, number, {"opened", "clicked"})
    (copy,) = story["deliveries"]
    types = [event["type"] for event in copy["events"]]
    assert [types.index(t) for t in ("queued", "delivered", "opened", "clicked")] == [0, 1, 2, 3]
    delivered, opened, clicked = copy["events"][1:4]
    assert delivered["raw"]["reply_code"] == 250
    assert "queued as" in delivered["raw"]["reply_text"]
    assert opened["evidence"]
    assert clicked["evidence"]
    assert link in clicked["text"]
    assert copy["verdict"]["level"] == "engaged"
    with capsys.disabled():
        print(f"\nscenario test with Postfix, Dovecot and Chromium: {', '.join(types)}")


# Headless Chromium calls itself HeadlessChrome, which is judged as the machine it is; the person
# whom it stands for here uses an ordinary browser.
A_PERSONS_BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36"
)


def submit(glass: Running, link: str) -> str:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "sender@writer.test"
    message["To"] = "alice@reader.test"
    message["Subject"] = "Grüße"
    message["Message-ID"] = "<scenario@writer.test>"
    message.set_content(f"Hello Alice, {link}\n")
    message.add_alternative(
        f'<html><body><p>Hello Alice, <a href="{link.replace("&", "&amp;")}">look here ▸</a></p>'
        "</body></html>",
        subtype="html",
    )
    with glass.client(glass.password()) as client:
        client.send_message(message)
    return "<scenario@writer.test>"


def html_of(raw: bytes) -> str:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("html",))
    assert body is not None
    text: str = body.get_content()
    return text


def wait_for_events(glass: Running, name: str, wanted: set[str]) -> dict[str, object]:
    """The story, when every wanted event is in it."""
    return glass.wait_for_story(
        name, lambda s: wanted <= {e["type"] for d in s["deliveries"] for e in d["events"]}
    )

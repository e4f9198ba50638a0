"""Options that cannot work are refused at the start, by name, and before anything is done."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from guard_mail import mail

from mailglass.cli import main
from mailglass.errors import ConfigurationError
from mailglass.guard import inspect
from mailglass.guard.address import AddressBook, is_address
from mailglass.settings import load_settings

MAIL = mail("<img src='https://a.example/images/logo.png' width=200 height=80>")


def refused(capsys: pytest.CaptureFixture[str], args: Sequence[str]) -> str:
    """What the command says when it ends at once with the status of a wrong call."""
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    said = capsys.readouterr()
    assert ended.value.code in (2, 78), said
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("address", ["", " ", "a", "nope", "a@", "@b.example", "a b@c.example",
                                     "a@b.example\nBcc: c@d.example", "<a@b.example>"])  # fmt: skip
@pytest.mark.parametrize("command", ["inspect --recipient", "clean --recipient", "leak-test --to",
                                     "leak-test --to me@example.org --from"])  # fmt: skip
def test_what_is_no_address_is_none(
    capsys: pytest.CaptureFixture[str], command: str, address: str
) -> None:
    assert "is no address such as me@example.org" in refused(capsys, [*command.split(), address])


@pytest.mark.parametrize(
    "address",
    [
        "me@example.org",
        "a.b+c@example.org",
        "name..1.@docomo.example",
        "root@localhost",
        "ü@grüße.example",
    ],
)
def test_an_address_is_one(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize("short", ["", "a", "lo", "images", "postmaster", "a@", "@", "a@b"])
def test_a_short_word_for_an_address_makes_no_logo_a_tracker(short: str) -> None:
    (resource,) = inspect(MAIL, recipients=[short]).resources
    assert resource.band == "plain"
    assert not any(item.signal == "address" for item in resource.evidence)


@pytest.mark.parametrize(
    ("url", "is_carried"),
    [
        ("https://t.example/b+me=example.org/x", True),
        ("https://t.example/?v=bounce-me=example.org-7", True),
        ("https://t.example/?name=example.org", False),
        ("https://t.example/?me=example.org", False),
        ("https://t.example/x?a=1&me=example.org", False),
        ("https://t.example/me=example.organic", False),
        ("https://t.example/d41d8cd98f00b204e9800998ecf8427e.png", False),  # MD5 of nothing
    ],
)
def test_a_return_path_in_a_url_carries_the_address_and_a_parameter_does_not(
    url: str, is_carried: bool
) -> None:
    assert (AddressBook(["", "me@example.org"]).find(url) is not None) is is_carried


SERVERS = ("guard-filter", "guard-milter")
IMAP = ("guard-imap", "--host", "127.0.0.1", "--user", "me@example.org")


@pytest.mark.parametrize("command", [*SERVERS, " ".join(IMAP)])
@pytest.mark.parametrize("name", ["a b;c", "", "mx.example.org;", "(x)", "mx/1", "grüße", "a" * 254,
                                  "mx\nX-Injected: 1", '"quoted"'])  # fmt: skip
def test_an_authserv_id_is_a_token(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    name: str,
) -> None:
    monkeypatch.setenv("MAILGLASS_IMAP_PASSWORD", "secret")
    assert "--authserv-id" in refused(capsys, [*command.split(), "--authserv-id", name])


@pytest.mark.parametrize(
    ("listen", "next_hop"),
    [
        ("127.0.0.1:10025", "127.0.0.1:10025"),
        ("127.0.0.1:10025", "localhost:10025"),
        ("localhost:10025", "127.0.0.1:10025"),
        ("0.0.0.0:10025", "127.0.0.1:10025"),
        ("0.0.0.0:10025", "127.0.0.2:10025"),
        ("[::1]:10025", "[::1]:10025"),
    ],
)
def test_a_filter_that_would_hand_mail_to_itself_is_refused(
    capsys: pytest.CaptureFixture[str], listen: str, next_hop: str
) -> None:
    said = refused(capsys, ["guard-filter", "--listen", listen, "--next", next_hop])
    assert "would come back for ever" in said


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1", ":25", "127.0.0.1:", "127.0.0.1:0", "h:99999", "h:-1", "a b:25", "::1:25",
     "[::1:25", "h:2٥", "http://h:25"],
)  # fmt: skip
@pytest.mark.parametrize(
    "command",
    ["guard-filter --next", "leak-test --to me@example.org --smtp",
     "leak-test --to me@example.org --listen"],
)  # fmt: skip
def test_an_endpoint_is_a_host_and_a_port(
    capsys: pytest.CaptureFixture[str], command: str, text: str
) -> None:
    option = command.rpartition(" ")[2]
    assert option in refused(capsys, [*command.split(), text])


@pytest.mark.parametrize("command", SERVERS)
def test_a_folder_of_originals_that_takes_none_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for place in ("/proc/x", str(file), str(file / "below")):
        said = refused(capsys, [command, "--originals", place])
        assert f"--originals {place}: no original can be written there" in said


@pytest.mark.parametrize("command", [*SERVERS, " ".join(IMAP), "clean"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--proxy-key", "KEY"], "go with --proxy-url"),
        (["--proxy-server", "http://127.0.0.1:1"], "go with --proxy-url"),
        (["--proxy-url", "http://p.example"], "--proxy-key"),
        (["--proxy-url", "p.example", "--proxy-key", "KEY"], "--proxy-url p.example"),
        (["--proxy-url", "http://p.example/?a", "--proxy-key", "KEY"], "--proxy-url"),
        (["--proxy-url", "http://p.example/'", "--proxy-key", "KEY"], "--proxy-url"),
        (["--proxy-url", "http://p.example", "--proxy-key", "EMPTY"], "no key"),
        (["--proxy-url", "http://p.example", "--proxy-key", "SHORT"], "no key"),
        (["--proxy-url", "http://p.example", "--proxy-key", "BINARY"], "no key"),
        (["--proxy-url", "http://p.example", "--proxy-key", "KEY", "--proxy-server", "x"],
         "--proxy-server x"),
    ],
)  # fmt: skip
def test_an_image_proxy_is_named_whole_or_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    options: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("MAILGLASS_IMAP_PASSWORD", "secret")
    keys = {"KEY": b"ab" * 32, "EMPTY": b"", "SHORT": b"abcd", "BINARY": b"\xff\x00"}
    for name, data in keys.items():
        (tmp_path / name).write_bytes(data)
    options = [str(tmp_path / o) if o in keys else o for o in options]
    (tmp_path / "a.eml").write_bytes(MAIL)
    file = [str(tmp_path / "a.eml")] if command == "clean" else []
    assert told in refused(capsys, [*command.split(), *file, *options])


@pytest.mark.parametrize("command", SERVERS)
@pytest.mark.parametrize("server", ["no such", "", "127.0.0.1:0", "dns.example"])
def test_a_dns_server_is_an_address(
    capsys: pytest.CaptureFixture[str], command: str, server: str
) -> None:
    assert "--dns" in refused(capsys, [command, "--dns", server])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "0"], "--port"),
        (["--port", "99999"], "--port"),
        (["--host", "a b"], "--host"),
        (["--host", ""], "--host"),
        (["--user", ""], "--user"),
        (["--folder", ""], "--folder"),
        (["--originals", " "], "--originals"),
        (["--originals", "INBOX"], "--originals"),
        (["--put-back", "--message-id", ""], "--message-id"),
        (["--message-id", ""], "--message-id"),
        (["--put-back", "--message-id", "<a>\r\nA1 LOGOUT"], "--message-id"),
        (["--certificates", "/no/such"], "--certificates"),
        (["--certificates", "FILE"], "--certificates"),
        (["--password-file", "BINARY"], "--password-file"),
        (["--password-file", "/"], "--password-file"),
    ],
)
def test_the_agent_of_a_mailbox_refuses_before_it_connects(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("MAILGLASS_IMAP_PASSWORD", "secret")
    (tmp_path / "FILE").write_text("no certificate")
    (tmp_path / "BINARY").write_bytes(b"\xff\xfe")
    options = [str(tmp_path / o) if o in ("FILE", "BINARY") else o for o in options]
    assert told in refused(capsys, [*IMAP, *options])


def test_a_socket_file_takes_no_others_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    for place in ("", str(tmp_path / "file"), str(tmp_path / "no/socket"), "x" * 200):
        assert f"--listen unix:{place}" in refused(
            capsys, ["guard-milter", "--listen", f"unix:{place}"]
        )
    assert (tmp_path / "file").read_bytes() == b"kept"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        said = refused(capsys, ["guard-milter", "--listen", f"unix:{tmp_path / 's'}"])
        assert "another program listens there" in said
        assert (tmp_path / "s").is_socket()


@pytest.mark.parametrize(
    "options", [["--wait", "0"], ["--wait", "-1"], ["--base-url", "collector"]]
)
def test_a_leak_test_that_cannot_hear_anything_is_not_sent(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["leak-test", "--to", "me@example.org", *options])
    assert ended.value.code in (2, 65)
    assert options[0] in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["0.0.0.0:8099", "[::]:8099"])
def test_a_leak_test_on_all_addresses_needs_a_name_to_be_asked_by(
    capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    said = refused(capsys, ["leak-test", "--to", "me@example.org", "--listen", listen])
    assert "add --base-url" in said


def test_a_leak_test_says_in_a_line_what_the_system_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        said = refused(capsys, ["leak-test", "--to", "me@example.org", "--listen", taken])
        assert f"--listen {taken}" in said
    with pytest.raises(SystemExit) as ended:
        main(["leak-test", "--to", "me@example.org", "--listen", taken, "-o",
              str(tmp_path / "no/such")])  # fmt: skip
    assert ended.value.code == 73


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("guard-proxy.port=0", "guard-proxy.port"),
        ("guard-proxy.port=99999", "guard-proxy.port"),
        ("guard-proxy.host=a b", "guard-proxy.host"),
        ("guard-proxy.host=", "guard-proxy.host"),
        ("guard-proxy.keep-days=0", "guard-proxy.keep-days"),
        ("guard-proxy.max-bytes=-1", "guard-proxy.max-bytes"),
        ("guard-proxy.max-image-bytes=-1", "guard-proxy.max-image-bytes"),
        ("guard-proxy.max-bytes=1000", "guard-proxy.max-image-bytes"),
        ("guard-proxy.url=pictures.example.org", "guard-proxy.url"),
        ("guard-proxy.url=http://p.example/?a=1", "guard-proxy.url"),
        ("guard-proxy.url=http://me@p.example/", "guard-proxy.url"),
        ("guard-proxy.url=http://p.example:99999/", "guard-proxy.url"),
    ],
)
def test_settings_of_the_image_proxy_that_cannot_work_are_named(setting: str, told: str) -> None:
    overrides = ["guard-proxy.url=http://pictures.example.org", setting]
    with pytest.raises(ConfigurationError, match=told):
        load_settings(file=None, environment={}, overrides=overrides)


def test_an_image_proxy_without_a_place_for_its_pictures_says_so(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "guard-proxy").write_text("a file where the folder should be")
    done = run_cli(
        "--data", str(tmp_path), "--set", "guard-proxy.url=http://pictures.example.org",
        "serve", "guard-proxy",
    )  # fmt: skip
    assert done.returncode == 78
    assert b"guard-proxy cannot hold pictures" in done.stderr
    assert b"Traceback" not in done.stderr


def test_certificates_that_are_some_are_taken() -> None:
    from mailglass.cli.guard_imap import _authorities

    known = ssl.get_default_verify_paths().openssl_cafile
    if not os.path.exists(known):
        pytest.skip("the machine has no file of authorities")
    assert _authorities(Path(known)) == known

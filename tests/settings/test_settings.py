"""The settings: where values come from, and what is said of wrong ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailglass.errors import ConfigurationError
from mailglass.settings import load_settings


def value_of(name: str, **sources: object) -> tuple[str, str]:
    _, origins = load_settings(**sources)  # type: ignore[arg-type]
    return next((o.value, o.origin) for o in origins if o.name == name)


def test_each_source_overrides_the_one_before_it_and_the_origin_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mailglass.toml"
    file.write_text("[gateway]\nport = 1001\n")
    name = "gateway.port"
    assert value_of(name) == ("8587", "default")
    assert value_of(name, file=file) == ("1001", str(file))
    environment = {"MAILGLASS_GATEWAY_PORT": "1002"}
    assert value_of(name, file=file, environment=environment) == (
        "1002",
        "MAILGLASS_GATEWAY_PORT",
    )
    found = value_of(name, file=file, environment=environment, overrides=["gateway.port=1003"])
    assert found == ("1003", "command line")


def test_lists_and_booleans_of_the_file_are_read_like_their_texts(tmp_path: Path) -> None:
    file = tmp_path / "mailglass.toml"
    file.write_text("[delivery]\nretry-seconds = [1, 2]\n[tracking]\nopens = false\n")
    settings, _ = load_settings(file=file)
    assert settings.delivery_retry_seconds == (1, 2)
    assert settings.tracking_opens is False


WRONG = [
    (["returns.domains=back..example"], "returns.domains: `back..example` is not a domain"),
    (["returns.notify=always"], "returns.notify (command line): `always` is not some of success"),
    (["returns.notify=never delay"], "is not some of success, failure, delay, or never alone"),
    (["returns.mailboxes=imaps://host/INBOX"], "is not `imaps://user:password@host/folder`"),
    (
        ["returns.mailboxes=imaps://u:p@h.test imaps://u:other@h.test/INBOX"],
        "returns.mailboxes: u at h.test, INBOX is named twice",
    ),
    (["returns.mailboxes=imaps://u:p@h.test?file-into=INBOX"], "would be filed into itself"),
    (["returns.postfix-log=/nowhere/mail.log"], "returns.postfix-log: /nowhere/mail.log cannot"),
    (["returns.poll-seconds=0"], "returns.poll-seconds: 0 is less than 1"),
    (["gateway.prot=1"], "there is no setting `gateway.prot`; `gateway.port`?"),
    (["gateway.port=abc"], "gateway.port (command line): `abc` is not a whole number"),
    (["gateway.port=70000"], "gateway.port: 70000 is no port"),
    (["web.port=8480"], "web.port: 8480 is also collector.port"),
    (["tracking.opens=maybe"], "tracking.opens (command line): `maybe` is not yes or no"),
    (["tracking.attachments=drop"], "`drop` is none of keep, link"),
    (["tracking.url=ftp://x"], "tracking.url: `ftp://x` is not an http(s) address"),
    (["serve.roles=web mars"], "serve.roles: there is no role `mars`"),
    (["collector.trusted-proxies=10.0.0.1/8"], "`10.0.0.1/8` is not networks such as 10.0.0.0/8"),
    (["gateway.certificate=/etc/hostname"], "gateway.private-key: missing beside its counterpart"),
    (
        ["collector.certificate=/etc/hostname /etc/hosts", "collector.private-key=/etc/hostname"],
        "collector.private-key: missing beside its counterpart",
    ),
    (
        ["gateway.certificate=/nowhere", "gateway.private-key=/nowhere"],
        "gateway: /nowhere cannot be read",
    ),
    (["tracking.url=https://me:pw@t.test"], "tracking.url: an address with a user name"),
    (["web.url=https://me@t.test"], "web.url: an address with a user name"),
    (["tracking.url=https://t.test/#a"], "is not an http(s) address without a query"),
    (["tracking.url=https://t.test:99999"], "tracking.url: `https://t.test:99999` is not an"),
    (["tracking.url=https://[::1"], "tracking.url: `https://[::1` is not an http(s) address"),
    (["tracking.url="], "tracking.url: `` is not an http(s) address"),
    (["web.url=ftp://x"], "web.url: `ftp://x` is not an http(s) address"),
    (["rules.file=/nonexistent.toml"], "rules.file: /nonexistent.toml is no file that can be read"),
    (["rules.file=/etc"], "rules.file: /etc is no file that can be read"),
    (["gateway.hostname=a\r\nb"], "gateway.hostname (command line): the value has a line break"),
    (["gateway.hostname=a b"], "gateway.hostname: `a b` is not a host's name such as"),
    (["gateway.hostname="], "gateway.hostname: `` is not a host's name such as"),
    (["gateway.hostname=-a.test"], "gateway.hostname: `-a.test` is not a host's name"),
    (["gateway.host=127.0.0.1/8"], "gateway.host: `127.0.0.1/8` is not a host's name or address"),
    (["web.host="], "web.host: `` is not a host's name or address"),
    (["data.directory=/srv/a\tb"], "data.directory (command line): the value has a line break"),
    (["smarthost.password=a\nb"], "smarthost.password (command line): the value has a line break"),
    (["smarthost.host=a b"], "smarthost.host: `a b` is not a host's name"),
    (["web.url=javascript:1"], "web.url: `javascript:1` is not an http(s) address"),
    (["gateway.host=0.0.0.0"], "gateway.certificate: needed when gateway.host is `0.0.0.0`"),
    (["smarthost.username=me"], "smarthost.username and smarthost.password: one is missing"),
    (
        [
            "smarthost.host=mx.example",
            "smarthost.username=me",
            "smarthost.password=pw",
            "smarthost.security=none",
        ],
        "smarthost.security: `none` would send smarthost.password in the clear",
    ),
    (["demo.pace=fast"], "demo.pace (command line): `fast` is not `even FACTOR` or `slowing"),
    (["delivery.retry-seconds="], "delivery.retry-seconds: needs at least one number"),
    (["delivery.connections=0"], "delivery.connections: 0 is less than 1"),
    (["gateway.port"], "command line: `gateway.port` is not of the form name=value"),
]


@pytest.mark.parametrize(("overrides", "complaint"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_configuration_is_refused_with_the_value_that_caused_it(
    overrides: list[str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=overrides)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["tracking.url", "web.url", "guard-proxy.url"])
def test_a_password_in_an_address_is_not_shown_when_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=[f"{name}=https://me:opensesame@t.test/"])
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("hostname", ["localhost", "mail_1.a-b.test", "[192.0.2.1]", "[IPv6:::1]"])
def test_a_hostname_may_be_all_that_machines_call_themselves(hostname: str) -> None:
    settings, _ = load_settings(overrides=[f"gateway.hostname={hostname}"])
    assert settings.gateway_hostname == hostname


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=["gateway.port=x", "web.port=y", "no.such=1"])
    assert len(str(caught.value).splitlines()) == 4


def test_a_fault_does_not_hide_others(tmp_path: Path) -> None:
    wrong = ["gateway.port=x", "smarthost.port=99999", "tracking.url=ftp://x", "serve.roles="]
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=wrong)
    for name in ("gateway.port", "smarthost.port", "tracking.url", "serve.roles"):
        assert name in str(caught.value)


def test_a_misspelt_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MAILGLASS_GATEWAY_PROT"):
        load_settings(environment={"MAILGLASS_GATEWAY_PROT": "1"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = 1\n", "`port` stands outside a section"),
        ("[gateway\n", "not TOML"),
    ],
)
def test_a_spoiled_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mailglass.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load_settings(file=file)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("[bands]\nhuman_above = 0.9\n", 0, "rules.file"),
        ("[bands]\nhuman_above = 7\n", 78, "machine_below < human_above < 1"),
        ("[bands\n", 78, "site.toml"),
    ],
)
def test_the_command_names_what_is_wrong_in_the_file_of_rules(
    run_cli: Callable[..., subprocess.CompletedProcess[bytes]],
    tmp_path: Path,
    text: str,
    status: int,
    said: str,
) -> None:
    """Not only serve, which would die of it."""
    file = tmp_path / "site.toml"
    file.write_text(text)
    done = run_cli("--set", f"rules.file={file}", "config", "--json")
    assert done.returncode == status
    assert said in (done.stderr if status else done.stdout).decode()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.toml: cannot be read"):
        load_settings(file=tmp_path / "none.toml")


def test_secrets_are_never_shown() -> None:
    sources = {"overrides": ["smarthost.username=me", "smarthost.password=opensesame"]}
    _, origins = load_settings(**sources)  # type: ignore[arg-type]
    assert "opensesame" not in repr(origins)


def test_a_wrong_secret_is_not_shown_either() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=["smarthost.password=opensesame"])
    assert "opensesame" not in str(caught.value)


def test_a_mailbox_is_read_from_its_url_and_its_password_is_shown_nowhere() -> None:
    url = "imaps://bob%40example.org:p%20w@imap.example.org/Antworten?file-into=Done"
    settings, origins = load_settings(overrides=[f"returns.mailboxes={url}"])
    (mailbox,) = settings.returns_mailboxes
    assert (mailbox.username, mailbox.password) == ("bob@example.org", "p w")
    assert (mailbox.host, mailbox.port, mailbox.security) == ("imap.example.org", 993, "tls")
    assert (mailbox.folder, mailbox.file_into) == ("Antworten", "Done")
    assert "p w" not in repr(settings)
    assert not any("p%20w" in origin.value for origin in origins)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", "none"), ("mail.test", "starttls")])
def test_a_mailbox_off_this_machine_is_never_read_in_the_clear(host: str, expected: str) -> None:
    settings, _ = load_settings(overrides=[f"returns.mailboxes=imap://u:p@{host}/INBOX"])
    assert settings.returns_mailboxes[0].security == expected

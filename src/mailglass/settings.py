"""The table of settings, and where a value comes from: default, file, environment, command line.

Only `app` and `cli` read it; every part receives the values it needs. A setting is named once,
here, with its default, its unit and a sentence; the file calls it `section.name` (TOML), the
environment `MAILGLASS_SECTION_NAME`, the command line `--set section.name=value`.
All faults are found before any is reported.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from .errors import ConfigurationError

__all__ = [
    "OPTIONAL_ROLES",
    "ROLES",
    "MailboxAddress",
    "Origin",
    "Settings",
    "load_settings",
    "variable_name",
]

ROLES = ("collector", "gateway", "ingest", "delivery", "web", "notify")
# Roles that run beside those, or alone, where they are configured.
OPTIONAL_ROLES = ("guard-proxy",)


def _text(value: str) -> str:
    return value


def _whole(value: str) -> int:
    return int(value)


def _yes_no(value: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "1": True}
    words |= {"no": False, "false": False, "off": False, "0": False}
    return words[value.strip().lower()]


def _path(value: str) -> Path | None:
    return Path(value).expanduser() if value else None


def _directory(value: str) -> Path:
    return Path(value).expanduser()


def _words(value: str) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split())


def _numbers(value: str) -> tuple[int, ...]:
    return tuple(int(word) for word in _words(value))


def _networks(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in _words(value))


def _time_of_day(value: str) -> time:
    return time.fromisoformat(value)


def _paths(value: str) -> tuple[Path, ...]:
    return tuple(Path(word).expanduser() for word in _words(value))


def _pace(value: str) -> tuple[str, ...]:
    words = _words(value)
    if words and {"even": 2, "slowing": 3}.get(words[0]) != len(words):
        raise ValueError(value)
    if any(float(word) <= 0 for word in words[1:]):
        raise ValueError(value)
    return words


def _notify(value: str) -> tuple[str, ...]:
    words = _words(value.lower())
    if set(words) - {"success", "failure", "delay", "never"} or ("never" in words and words[1:]):
        raise ValueError(value)
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxAddress:
    """An IMAP mailbox, as its URL gives it (RFC 5092, with the password)."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str
    security: Literal["tls", "starttls", "none"]
    file_into: str | None


def _mailboxes(value: str) -> tuple[MailboxAddress, ...]:
    return tuple(_mailbox(url) for url in value.split())


def _mailbox(url: str) -> MailboxAddress:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    if parts.scheme not in ("imaps", "imap") or set(query) - {"file-into"}:
        raise ValueError(url)
    if not parts.hostname or not parts.username or not parts.password or parts.fragment:
        raise ValueError(url)
    is_tls = parts.scheme == "imaps"
    plain: Literal["starttls", "none"] = "none" if _is_loopback(parts.hostname) else "starttls"
    return MailboxAddress(
        host=parts.hostname,
        port=parts.port or (993 if is_tls else 143),
        username=unquote(parts.username),
        password=unquote(parts.password),
        folder=unquote(parts.path.strip("/")) or "INBOX",
        security="tls" if is_tls else plain,
        file_into=query.get("file-into"),
    )


_EXPECTED: dict[Callable[[str], object], str] = {
    _whole: "a whole number",
    _time_of_day: "a time of day such as 03:15",
    _yes_no: "yes or no",
    _pace: "`even FACTOR` or `slowing STORY-SECONDS REAL-SECONDS`",
    _mailboxes: "`imaps://user:password@host/folder` (one or several; an @ in the user is %40; "
    "`?file-into=Folder` to file what is ours)",
    _notify: "some of success, failure, delay, or never alone",
    _numbers: "whole numbers with spaces between",
    _networks: "networks such as 10.0.0.0/8 with spaces between",
}


def _setting(
    name: str,
    default: str,
    about: str,
    read: Callable[[str], object] = _text,
    *,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:  # a dataclass field stands in for a value of the annotated type
    return field(
        default_factory=lambda: read(default),
        metadata={
            "name": name,
            "default": default,
            "about": about,
            "read": read,
            "choices": choices,
            "secret": secret,
        },
    )


def _default_data() -> str:
    return "/var/lib/mailglass" if os.geteuid() == 0 else "~/.local/share/mailglass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting; the metadata of each field holds its public name and its sentence."""

    data_directory: Path = _setting(
        "data.directory",
        _default_data(),
        "Where everything that must survive lies: journal, spool, history, keys, attachments.",
        _directory,
    )
    roles: tuple[str, ...] = _setting(
        "serve.roles", " ".join(ROLES), "Which roles `mailglass serve` runs.", _words
    )
    log_level: str = _setting(
        "log.level",
        "info",
        "The least grave event that is logged.",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: Literal["text", "json"] = _setting(
        "log.format",
        "text",
        "One event a line, as a sentence with its fields or as a JSON object.",
        choices=("text", "json"),
    )

    tracking_url: str = _setting(
        "tracking.url",
        "http://127.0.0.1:8480",
        "The public address of the collector, as it stands in every tracked mail.",
    )
    tracking_opens: bool = _setting(
        "tracking.opens", "yes", "Put a beacon into displayed HTML parts.", _yes_no
    )
    tracking_links: bool = _setting("tracking.links", "yes", "Send links by way of us.", _yes_no)
    tracking_attachments: Literal["keep", "link"] = _setting(
        "tracking.attachments",
        "keep",
        "Leave attachments in the mail, or store them and put a download link in their place.",
        choices=("keep", "link"),
    )
    tracking_text_links: bool = _setting(
        "tracking.text-links", "no", "Send the links of plain-text parts by way of us too.", _yes_no
    )

    tracking_list_unsubscribe: bool = _setting(
        "tracking.list-unsubscribe",
        "no",
        "Give messages without List-Unsubscribe one for a single click (RFC 8058), and for mail "
        "when there are returns.domains.",
        _yes_no,
    )

    collector_host: str = _setting("collector.host", "127.0.0.1", "Where the collector listens.")
    collector_port: int = _setting("collector.port", "8480", "Its port.", _whole)
    collector_private_port: int = _setting(
        "collector.private-port",
        "8481",
        "Port on 127.0.0.1 for /healthz, /readyz and /metrics.",
        _whole,
    )
    collector_trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _setting(
        "collector.trusted-proxies",
        "",
        "Networks of reverse proxies whose X-Forwarded-For is believed.",
        _networks,
    )
    collector_tls_port: int = _setting(
        "collector.tls-port", "8443", "Port for HTTPS, when there is a certificate.", _whole
    )
    collector_hosts: tuple[str, ...] = _setting(
        "collector.hosts",
        "",
        "Names under which readers reach the collector; forged requests for others are not kept.",
        _words,
    )
    collector_certificate: tuple[Path, ...] = _setting(
        "collector.certificate",
        "",
        "Certificate chains (PEM) when the collector speaks TLS, with spaces between; each reader "
        "gets that of the host they name, others the first.",
        _paths,
    )
    collector_private_key: tuple[Path, ...] = _setting(
        "collector.private-key",
        "",
        "Private keys (PEM) of these certificates, in the same order.",
        _paths,
    )

    rules_file: Path | None = _setting(
        "rules.file",
        "",
        "A site's own rules of evidence (TOML), over the packaged ones.",
        _path,
    )

    journal_keep_days: int = _setting(
        "journal.keep-days",
        "30",
        "How long the journal's segments stay after ingest has taken them, for a replay.",
        _whole,
    )

    # The days are ours: a hit's full address serves the judging of scanners, settled within hours,
    # and disputes, which take weeks; 395 days let a year be compared with the one before.
    retention_at: time = _setting(
        "retention.at", "03:15", "When the nightly task lets go of what is old, UTC.", _time_of_day
    )
    retention_full_addresses: int = _setting(
        "retention.full-addresses",
        "30",
        "Days after which hits' network addresses are cut to their /24 or /48; 0: never.",
        _whole,
    )
    retention_addresses: int = _setting(
        "retention.addresses",
        "180",
        "Days after which hits' network addresses are dropped; 0: never.",
        _whole,
    )
    retention_hits: int = _setting(
        "retention.hits",
        "395",
        "Days after which hits go with their headers; what was made of them stays; 0: never.",
        _whole,
    )
    retention_messages: int = _setting(
        "retention.messages",
        "0",
        "Days after which messages go with recipients, events and hits; sums stay; 0: never.",
        _whole,
    )
    retention_returned: int = _setting(
        "retention.returned", "90", "Days after which mail that came back goes; 0: never.", _whole
    )
    retention_notices: int = _setting(
        "retention.notices",
        "30",
        "Days after which webhook notices go that were taken or given up; 0: never.",
        _whole,
    )
    retention_set_aside: int = _setting(
        "retention.set-aside",
        "180",
        "Days after which records go that could not be used; 0: never.",
        _whole,
    )

    gateway_host: str = _setting("gateway.host", "127.0.0.1", "Where mail is submitted to.")
    gateway_port: int = _setting("gateway.port", "8587", "Its port.", _whole)
    gateway_hostname: str = _setting(
        "gateway.hostname", "localhost", "The name that the gateway and the courier greet with."
    )
    gateway_certificate: Path | None = _setting(
        "gateway.certificate", "", "Certificate chain (PEM); with it STARTTLS is offered.", _path
    )
    gateway_private_key: Path | None = _setting(
        "gateway.private-key", "", "Private key (PEM) of that certificate.", _path
    )
    gateway_max_message_bytes: int = _setting(
        "gateway.max-message-bytes",
        "26214400",
        "The largest message taken, in bytes (25 MiB: what Gmail takes).",
        _whole,
    )
    gateway_max_recipients: int = _setting(
        "gateway.max-recipients",
        "1000",
        "The most recipients of one submission (RFC 5321 4.5.3.1.8 asks for at least 100).",
        _whole,
    )
    gateway_max_connections: int = _setting(
        "gateway.max-connections", "200", "The most connections at a time.", _whole
    )

    returns_domains: tuple[str, ...] = _setting(
        "returns.domains",
        "",
        "The domains whose mail is what comes back: bounces, complaints, answers. None: not taken.",
        _words,
    )
    returns_notify: tuple[str, ...] = _setting(
        "returns.notify",
        "failure delay",
        "What the smarthost is asked to report to the first of these domains (NOTIFY of RFC 3461): "
        "`success`, `failure`, `delay`, or `never`; nothing: what it likes.",
        _notify,
    )
    returns_host: str = _setting(
        "returns.host", "127.0.0.1", "The address on which mail that comes back is taken."
    )
    returns_port: int = _setting(
        "returns.port", "2525", "The port on which mail that comes back is taken.", _whole
    )
    returns_mailboxes: tuple[MailboxAddress, ...] = _setting(
        "returns.mailboxes",
        "",
        "Mailboxes that are read for what comes back, as imaps://user:password@host/folder; "
        "`?file-into=Folder` moves it there, else nothing is changed. imap:// asks for STARTTLS.",
        _mailboxes,
        secret=True,
    )
    returns_poll_seconds: int = _setting(
        "returns.poll-seconds",
        "60",
        "How often a mailbox is looked into when its server does not say what is new (IDLE).",
        _whole,
    )
    returns_postfix_log: Path | None = _setting(
        "returns.postfix-log",
        "",
        "The log of a local Postfix that is the smarthost, such as /var/log/mail.log: what the "
        "next servers answered is then known without waiting for a bounce.",
        _path,
    )
    returns_protocol: Literal["smtp", "lmtp"] = _setting(
        "returns.protocol",
        "smtp",
        "SMTP as an MX, or LMTP behind a mail server of one's own.",
        choices=("smtp", "lmtp"),
    )

    smarthost_host: str = _setting(
        "smarthost.host", "", "The server that mail is handed to; empty until you have one."
    )
    smarthost_port: int = _setting("smarthost.port", "587", "Its port.", _whole)
    smarthost_security: Literal["starttls", "tls", "opportunistic", "none"] = _setting(
        "smarthost.security",
        "starttls",
        "`starttls` and `tls` verify the certificate; `opportunistic` encrypts when offered, "
        "unverified; `none` never encrypts.",
        choices=("starttls", "tls", "opportunistic", "none"),
    )
    smarthost_username: str = _setting("smarthost.username", "", "Who we are at the smarthost.")
    smarthost_password: str = _setting("smarthost.password", "", "The password there.", secret=True)

    delivery_connections: int = _setting(
        "delivery.connections",
        "4",
        "Connections to the smarthost at a time (4: what NetEase advises per sender).",
        _whole,
    )
    delivery_messages_per_connection: int = _setting(
        "delivery.messages-per-connection", "100", "Messages on one connection.", _whole
    )
    delivery_timeout_seconds: int = _setting(
        "delivery.timeout-seconds",
        "300",
        "How long to wait for an answer of the smarthost (RFC 5321 4.5.3.2: 5 minutes).",
        _whole,
    )
    delivery_retry_seconds: tuple[int, ...] = _setting(
        "delivery.retry-seconds",
        "60 300 900 1800 3600 7200 14400",
        "Waiting times after a passing refusal; the last one repeats.",
        _numbers,
    )
    delivery_lifetime_seconds: int = _setting(
        "delivery.lifetime-seconds",
        "432000",
        "How long a message is tried (RFC 5321 4.5.4.1: 4 to 5 days).",
        _whole,
    )

    history_url: str = _setting(
        "history.url",
        "",
        "Database of the history; empty for SQLite in the data directory.",
        secret=True,
    )

    demo_pace: tuple[str, ...] = _setting(
        "demo.pace",
        "",
        "How fast a simulated world lives: `even FACTOR`, or `slowing STORY-SECONDS REAL-SECONDS`;"
        " empty for the real world.",
        _pace,
    )

    web_host: str = _setting("web.host", "127.0.0.1", "Where the dashboard listens.")
    web_port: int = _setting("web.port", "8482", "Its port.", _whole)
    web_url: str = _setting(
        "web.url", "", "The dashboard's public address; empty for http://<web.host>:<web.port>."
    )

    api_requests_per_minute: int = _setting(
        "api.requests-per-minute", "600", "The most requests of one API key in a minute.", _whole
    )

    notify_allow_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _setting(
        "notify.allow-networks",
        "",
        "Networks that webhooks may go to although they are not public, such as 10.0.0.0/8.",
        _networks,
    )

    proxy_url: str = _setting(
        "guard-proxy.url",
        "",
        "Where readers reach the image proxy of the guard; empty: there is none.",
    )
    proxy_host: str = _setting(
        "guard-proxy.host", "127.0.0.1", "The address on which the image proxy answers."
    )
    proxy_port: int = _setting(
        "guard-proxy.port", "8095", "The port on which the image proxy answers.", _whole
    )
    proxy_keep_days: int = _setting(
        "guard-proxy.keep-days", "90", "Days for which the image proxy keeps a picture.", _whole
    )
    proxy_max_bytes: int = _setting(
        "guard-proxy.max-bytes",
        "2000000000",
        "Bytes of pictures that the image proxy keeps; the oldest go first.",
        _whole,
    )
    proxy_max_image_bytes: int = _setting(
        "guard-proxy.max-image-bytes",
        "5000000",
        "Bytes of the largest picture that the image proxy takes.",
        _whole,
    )

    @property
    def dashboard_url(self) -> str:
        """Where a person's browser finds the dashboard."""
        return self.web_url.rstrip("/") or f"http://{self.web_host}:{self.web_port}"

    @property
    def retention_days(self) -> dict[str, int]:
        """Days by kind of data, 0 for ever; the kinds are those of `history.KINDS`."""
        names = (f.metadata["name"] for f in fields(self))
        kinds = [n.partition(".")[2] for n in names if n.startswith("retention.")]
        return {k: getattr(self, f"retention_{k.replace('-', '_')}") for k in kinds if k != "at"}

    @property
    def history_address(self) -> str:
        """The database's address, the embedded one unless another is set."""
        return self.history_url or f"sqlite:///{self.data_directory / 'history.db'}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `default`, a file's name, a variable's name or `command line`."""

    name: str
    value: str
    origin: str
    about: str


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
) -> tuple[Settings, list[Origin]]:
    """The settings and where each came from.

    `overrides` are `name=value`, later ones win. Raises ConfigurationError with every fault found.
    """
    faults: list[str] = []
    texts = {f.metadata["name"]: (f.metadata["default"], "default") for f in fields(Settings)}
    sources = [
        *_from_file(file, faults),
        *_from_environment(environment or {}),
        *_from_overrides(overrides, faults),
    ]
    for name, text, origin in sources:
        if name in texts:
            texts[name] = (text, origin)
        else:
            faults.append(_unknown(name, origin, list(texts)))
    settings = Settings(**_read_all(texts, faults))
    # a value that could not be read counts as its default here, so that nothing hides behind it
    faults += _contradictions(settings)
    if faults:
        raise ConfigurationError("the settings cannot be used:\n  " + "\n  ".join(faults))
    return settings, [_origin_of(name, texts[name]) for name in texts]


def _from_file(file: Path | None, faults: list[str]) -> list[tuple[str, str, str]]:
    if file is None:
        return []
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{file}: not TOML: {error}")
        return []
    found = []
    for section, entries in tree.items():
        if not isinstance(entries, dict):
            faults.append(f"{file}: `{section}` stands outside a section such as [gateway]")
            continue
        found += [
            (f"{section}.{key}", _as_text(value), str(file)) for key, value in entries.items()
        ]
    return found


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(_as_text(item) for item in cast("list[object]", value))
    return str(value)


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    variables = {variable_name(f.metadata["name"]): f.metadata["name"] for f in fields(Settings)}
    prefixes = {name.split("_")[1] for name in variables}
    found = []
    for variable, value in environment.items():
        parts = variable.split("_", 2)
        if variable in variables:
            found.append((variables[variable], value, variable))
        elif parts[0] == "MAILGLASS" and len(parts) == 3 and parts[1] in prefixes:
            guess = f"{parts[1]}.{parts[2]}".lower().replace("_", "-")
            found.append((guess, value, variable))
    return found


def variable_name(name: str) -> str:
    """The environment's name of a setting."""
    return "MAILGLASS_" + name.upper().replace(".", "_").replace("-", "_")


def _from_overrides(overrides: Iterable[str], faults: list[str]) -> list[tuple[str, str, str]]:
    found = []
    for item in overrides:
        name, equals, value = item.partition("=")
        if equals:
            found.append((name.strip(), value.strip(), "command line"))
        else:
            faults.append(f"command line: `{item}` is not of the form name=value")
    return found


def _unknown(name: str, origin: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{origin}: there is no setting `{name}`" + (f"; `{near[0]}`?" if near else "")


def _read_all(texts: Mapping[str, tuple[str, str]], faults: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for f in fields(Settings):
        name, read, choices = f.metadata["name"], f.metadata["read"], f.metadata["choices"]
        text, origin = texts[name]
        shown = "the given value" if f.metadata["secret"] else f"`{text}`"
        try:
            value = read(text)
        except (ValueError, KeyError):
            faults.append(f"{name} ({origin}): {shown} is not {_EXPECTED.get(read, 'readable')}")
            value = read(f.metadata["default"])
        if read in _ONE_LINE and not text.isprintable():
            faults.append(f"{name} ({origin}): the value has a line break or the like in it")
            value = read(f.metadata["default"])
        if choices and value not in choices:
            faults.append(f"{name} ({origin}): {shown} is none of {', '.join(choices)}")
            value = read(f.metadata["default"])
        values[f.name] = value
    return values


_DOMAIN = re.compile(
    r"(?i)(?=.{1,190}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"
)


_ONE_LINE = (_text, _path, _directory)
# RFC 5321 section 4.1.2, with the underscores that some machines' names have.
_HOSTNAME = re.compile(r"\w([\w.-]{0,253}\w)?|\[[\w:.]+\]", re.ASCII)


def _contradictions(s: Settings) -> list[str]:
    """Faults that show only when several settings are seen together, or on this machine."""
    faults = [*_port_faults(s), *_pair_faults(s), *_name_faults(s)]
    if s.rules_file and not (s.rules_file.is_file() and os.access(s.rules_file, os.R_OK)):
        faults.append(f"rules.file: {s.rules_file} is no file that can be read")
    for domain in s.returns_domains:
        if not _DOMAIN.fullmatch(domain):
            faults.append(
                f"returns.domains: `{domain}` is not a domain such as back.example.org (one beyond "
                "ASCII is written as xn--...)"
            )
    known = ", ".join((*ROLES, *OPTIONAL_ROLES))
    for role in s.roles:
        if role not in (*ROLES, *OPTIONAL_ROLES):
            faults.append(f"serve.roles: there is no role `{role}`; there are {known}")
    for kind, days in s.retention_days.items():
        if days < 0:
            faults.append(f"retention.{kind}: {days} days is less than none; 0 keeps for ever")
    if not s.roles:
        faults.append("serve.roles: names no role, so nothing would run")
    faults += _picture_faults(s)
    if not s.gateway_certificate and not _is_loopback(s.gateway_host):
        faults.append(
            f"gateway.certificate: needed when gateway.host is `{s.gateway_host}`, because "
            "passwords are taken in the clear on loopback only"
        )
    faults += _mailbox_faults(s)
    for name, number in (
        ("returns.poll-seconds", s.returns_poll_seconds),
        ("gateway.max-message-bytes", s.gateway_max_message_bytes),
        ("gateway.max-recipients", s.gateway_max_recipients),
        ("gateway.max-connections", s.gateway_max_connections),
        ("guard-proxy.keep-days", s.proxy_keep_days),
        ("guard-proxy.max-bytes", s.proxy_max_bytes),
        ("guard-proxy.max-image-bytes", s.proxy_max_image_bytes),
        ("delivery.connections", s.delivery_connections),
        ("delivery.messages-per-connection", s.delivery_messages_per_connection),
        ("delivery.timeout-seconds", s.delivery_timeout_seconds),
        ("delivery.lifetime-seconds", s.delivery_lifetime_seconds),
        ("api.requests-per-minute", s.api_requests_per_minute),
    ):
        if number < 1:
            faults.append(f"{name}: {number} is less than 1")
    if not s.delivery_retry_seconds or min(s.delivery_retry_seconds) < 1:
        faults.append("delivery.retry-seconds: needs at least one number, none below 1")
    if (
        s.smarthost_password
        and s.smarthost_security == "none"
        and not _is_loopback(s.smarthost_host)
    ):
        faults.append(
            "smarthost.security: `none` would send smarthost.password in the clear; "
            "use starttls or tls"
        )
    return faults


def _name_faults(s: Settings) -> list[str]:
    """Of hosts and addresses."""
    faults = []
    for name, host in (
        ("collector.host", s.collector_host),
        ("gateway.host", s.gateway_host),
        ("returns.host", s.returns_host),
        ("web.host", s.web_host),
        ("guard-proxy.host", s.proxy_host),
        ("smarthost.host", s.smarthost_host or "none"),
    ):
        if not host or re.search(r"[\s/@]", host):
            faults.append(f"{name}: `{host}` is not a host's name or address")
    if not _HOSTNAME.fullmatch(s.gateway_hostname):
        faults.append(
            f"gateway.hostname: `{s.gateway_hostname}` is not a host's name such as "
            "mail.example.org (one beyond ASCII is written as xn--...)"
        )
    for name, url in (("tracking.url", s.tracking_url), ("web.url", s.web_url)):
        if fault := _url_fault(url) if url or name == "tracking.url" else "":
            faults.append(f"{name}: {fault}")
    return faults


def _url_fault(url: str) -> str:
    """Why a page of ours cannot be reached there; empty when it can. It stands in every mail, so
    that nothing may be in it that is not for everybody's eyes."""
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, brackets that do not close
        return f"`{url}` is not an http(s) address"
    if parts.username is not None or parts.password is not None:
        return "an address with a user name or password in it would be shown to every recipient"
    if not is_fit or parts.query or parts.fragment or re.search(r"\s", url):
        return f"`{url}` is not an http(s) address without a query"
    return ""


def _picture_faults(s: Settings) -> list[str]:
    """Of the guard's image proxy."""
    if not s.proxy_url:
        needed = "guard-proxy.url: needed by the role guard-proxy, for readers to reach it"
        return [needed] if "guard-proxy" in s.roles else []
    from .guard.pictures import is_base_url  # a room that most commands can start without

    faults = []
    if not is_base_url(s.proxy_url):
        shown = "an address with a user name" if "@" in s.proxy_url else f"`{s.proxy_url}`"
        faults.append(f"guard-proxy.url: {shown} is not a plain http(s) address")
    if s.proxy_max_image_bytes > s.proxy_max_bytes:
        faults.append("guard-proxy.max-image-bytes: more than guard-proxy.max-bytes keeps in all")
    return faults


def _mailbox_faults(s: Settings) -> list[str]:
    faults = []
    places = [(m.host, m.port, m.username, m.folder) for m in s.returns_mailboxes]
    for place in sorted({p for p in places if places.count(p) > 1}):
        faults.append(f"returns.mailboxes: {place[2]} at {place[0]}, {place[3]} is named twice")
    for mailbox in s.returns_mailboxes:
        if mailbox.file_into == mailbox.folder:
            faults.append(f"returns.mailboxes: {mailbox.folder} would be filed into itself")
    log = s.returns_postfix_log
    if log and (not log.parent.is_dir() or (log.exists() and not os.access(log, os.R_OK))):
        faults.append(f"returns.postfix-log: {log} cannot be read")
    return faults


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port_faults(s: Settings) -> list[str]:
    faults = []
    taken: dict[tuple[str, int], str] = {}
    if not 1 <= s.smarthost_port <= 65535:
        faults.append(f"smarthost.port: {s.smarthost_port} is no port")
    for name, host, port in (
        ("collector.port", s.collector_host, s.collector_port),
        ("collector.private-port", "127.0.0.1", s.collector_private_port),
        ("collector.tls-port", s.collector_host, s.collector_tls_port),
        ("gateway.port", s.gateway_host, s.gateway_port),
        *([("returns.port", s.returns_host, s.returns_port)] if s.returns_domains else []),
        ("web.port", s.web_host, s.web_port),
        *([("guard-proxy.port", s.proxy_host, s.proxy_port)] if s.proxy_url else []),
    ):
        if not 1 <= port <= 65535:
            faults.append(f"{name}: {port} is no port")
        elif other := taken.get((host, port)):
            faults.append(f"{name}: {port} is also {other}")
        taken.setdefault((host, port), name)
    return faults


def _pair_faults(s: Settings) -> list[str]:
    faults = []
    for section, chains, keys in (
        ("collector", s.collector_certificate, s.collector_private_key),
        ("gateway", _one(s.gateway_certificate), _one(s.gateway_private_key)),
    ):
        if len(chains) != len(keys):
            missing = "private-key" if len(chains) > len(keys) else "certificate"
            faults.append(f"{section}.{missing}: missing beside its counterpart")
        for path in (*chains, *keys):
            if not os.access(path, os.R_OK):
                faults.append(f"{section}: {path} cannot be read")
    if bool(s.smarthost_username) != bool(s.smarthost_password):
        faults.append("smarthost.username and smarthost.password: one is missing")
    return faults


def _one(path: Path | None) -> tuple[Path, ...]:
    return (path,) if path else ()


def _origin_of(name: str, found: tuple[str, str]) -> Origin:
    meta = next(f.metadata for f in fields(Settings) if f.metadata["name"] == name)
    text, origin = found
    shown = ("(set)" if text else "(not set)") if meta["secret"] else text
    return Origin(name, shown, origin, meta["about"])

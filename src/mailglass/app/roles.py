"""Runs one role in this process: takes values out of the settings and hands them to the parts."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..settings import Settings
from .first_run import own_link, picture_key, prepare, read_keys
from .supervisor import READY_FD

if TYPE_CHECKING:
    from ..delivery import Returns
    from ..gateway import Intake, Permissions, ReturnServer
    from ..history import History
    from ..lookup import Resolver

__all__ = ["run_role"]

_log = logging.getLogger("mailglass.serve")

# All of them give numbers, so each has a node of its own.
_GATEWAY_NODE, _DELIVERY_NODE, _WEB_NODE = 0, 1, 2

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run_role(role: str, settings: Settings) -> None:
    """Run one role until SIGTERM.

    Raises ConfigurationError when another process has the role on this data directory, or a port.
    """
    _end_with_parent()
    os.umask(0o077)  # addresses and mail are for their owner alone
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the roles that can reload say otherwise
    prepare(settings)
    with _only_one(settings.data_directory / f"{role}.lock", role):
        _check_ports(role, settings)
        _ROLES[role](settings)


def _end_with_parent() -> None:
    """A role that was started by the supervisor drains when the supervisor is killed."""
    if READY_FD in os.environ:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _only_one(path: Path, role: str) -> Iterator[IO[str]]:
    """Two collectors would write one journal; the lock goes with the process, however it ends."""
    try:
        opened = path.open("a")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"{role} is running already on {path.parent}; choose another data.directory"
            ) from None
        yield file


def _check_ports(role: str, s: Settings) -> None:
    """A port that cannot be listened on is a fault of the settings, and is named as one."""
    wanted = {
        "collector": [
            ("collector.port", s.collector_host, s.collector_port),
            ("collector.private-port", "127.0.0.1", s.collector_private_port),
        ],
        "gateway": [
            ("gateway.port", s.gateway_host, s.gateway_port),
            *([("returns.port", s.returns_host, s.returns_port)] if s.returns_domains else []),
        ],
        "web": [("web.port", s.web_host, s.web_port)],
        "guard-proxy": [("guard-proxy.port", s.proxy_host, s.proxy_port)],
    }
    for name, host, port in wanted.get(role, []):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            raise ConfigurationError(
                f"{name} {port} on {host} cannot be listened on: {error.strerror}"
            ) from error


def _say_ready(where: str) -> None:
    """Tell the supervisor, or the log when there is none."""
    number = os.environ.pop(READY_FD, None)
    if number is None:
        _log.info("ready: %s", where, extra={"action": "role-ready"})
        return
    with os.fdopen(int(number), "w") as pipe:
        pipe.write(where + "\n")


def _run_async(main: Callable[[asyncio.Event], object], *, name: str) -> None:
    """Run a coroutine function with an event that SIGTERM and SIGINT set."""

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await main(stopping)  # type: ignore[misc]  # a coroutine function, whatever it returns

    asyncio.run(run())
    _log.info("%s ended", name, extra={"action": "role-ended"})


def _collector(settings: Settings) -> None:
    from .. import collector

    certificates = tuple(
        collector.Certificate(chain_file=chain, key_file=key)
        for chain, key in zip(
            settings.collector_certificate, settings.collector_private_key, strict=True
        )
    )
    collector.run(
        collector.Config(
            host=settings.collector_host,
            port=settings.collector_port,
            tls_port=settings.collector_tls_port if certificates else None,
            certificates=certificates,
            hosts=settings.collector_hosts,
            metrics_port=settings.collector_private_port,
            journal_directory=settings.data_directory / "journal",
            attachment_directory=settings.data_directory / "attachments",
            keys=read_keys(settings.data_directory),
            trusted_proxies=settings.collector_trusted_proxies,
            kill_switch_file=settings.data_directory / "kill-switch",
        ),
        on_ready=lambda: _say_ready(f"http://{settings.collector_host}:{settings.collector_port}"),
    )


def _intake(settings: Settings, history: History, node: int) -> Intake:
    """What every way in hands messages to."""
    from ..gateway import Intake, TrackingDefaults
    from ..ids import Ids
    from ..journal import Attachments
    from ..spool import Spool
    from ..tokens import Ring

    attachments = Attachments(settings.data_directory / "attachments")
    return Intake(
        spool=Spool(settings.data_directory / "spool.db"),
        ids=Ids(node=node),
        ring=Ring(read_keys(settings.data_directory)),
        store=lambda content, name: attachments.add(content),
        hostname=settings.gateway_hostname,
        permissions=lambda *about: _permissions(history, *about),
        tracking=TrackingDefaults(
            base_url=settings.tracking_url,
            opens=settings.tracking_opens,
            links=settings.tracking_links,
            attachments=settings.tracking_attachments,
            text_links=settings.tracking_text_links,
            list_unsubscribe=settings.tracking_list_unsubscribe,
            unsubscribe_domain=_return_domain(settings),
        ),
    )


def _gateway(settings: Settings) -> None:
    from ..gateway import Config, SubmissionServer
    from ..history import History, check_password
    from ..tokens import Ring
    from .mailboxes import follow_mailboxes

    history = History(settings.history_address, patient=True)
    intake = _intake(settings, history, _GATEWAY_NODE)

    async def authenticate(name: str, password: str) -> int | None:
        return await asyncio.to_thread(check_password, history, name, password)

    def refusal() -> str | None:
        if settings.smarthost_host:
            return None
        return "451 4.3.5 No smarthost is set yet, so nothing can be sent; see smarthost.host"

    server = SubmissionServer(
        Config(
            host=settings.gateway_host,
            port=settings.gateway_port,
            hostname=settings.gateway_hostname,
            max_message_bytes=settings.gateway_max_message_bytes,
            max_recipients=settings.gateway_max_recipients,
            max_connections=settings.gateway_max_connections,
            tls=_server_context(settings.gateway_certificate, settings.gateway_private_key),
        ),
        intake=intake,
        authenticate=authenticate,
        refusal=refusal,
    )

    returns = _return_server(settings, history) if settings.returns_domains else None

    async def main(stopping: asyncio.Event) -> None:
        await server.start()
        if returns is not None:
            await returns.start()
        mailboxes = follow_mailboxes(
            settings.returns_mailboxes,
            poll_seconds=settings.returns_poll_seconds,
            history=history,
            ring=Ring(read_keys(settings.data_directory)),
        )
        _say_ready(f"{settings.gateway_host}:{settings.gateway_port}")
        await stopping.wait()
        mailboxes.set()
        if returns is not None:
            await returns.stop()
        await server.stop()

    _run_async(main, name="gateway")


def _permissions(
    history: History,
    account_id: int,
    author_domain: str,
    campaign: str | None,
    recipients: tuple[str, ...],
) -> Permissions:
    """Who gets nothing, and how closely each of the others may be tracked."""
    from ..gateway import Permissions

    with history.reading() as t:
        entries = t.suppressions(datetime.now(UTC), account_id=account_id, recipients=recipients)
        policies = t.policies_for(account_id, author_domain, campaign, recipients)
    reasons = {entry.recipient: entry.reason for entry in entries}
    return Permissions(suppressed=reasons, policies=policies)


def _return_server(settings: Settings, history: History) -> ReturnServer:
    """Takes the mail that comes back into the history, where ingest reads it."""
    from ..gateway import ReturnServer, ReturnServerConfig

    def keep(recipient: str, raw: bytes) -> None:
        with history.transaction() as t:
            t.add_returned(datetime.now(UTC), recipient, raw)

    async def keep_in_thread(recipient: str, raw: bytes) -> None:
        await asyncio.to_thread(keep, recipient, raw)

    return ReturnServer(
        ReturnServerConfig(
            host=settings.returns_host,
            port=settings.returns_port,
            hostname=settings.gateway_hostname,
            domains=frozenset(domain.lower() for domain in settings.returns_domains),
            lmtp=settings.returns_protocol == "lmtp",
            tls=_server_context(settings.gateway_certificate, settings.gateway_private_key),
        ),
        keep=keep_in_thread,
    )


def _return_domain(settings: Settings) -> str | None:
    """The domain of signed addresses; others of `returns.domains` are taken and not written."""
    return settings.returns_domains[0].lower() if settings.returns_domains else None


def _returns(settings: Settings) -> Returns | None:
    from ..delivery import Returns

    domain = _return_domain(settings)
    return Returns(domain=domain, notify=settings.returns_notify) if domain else None


def _server_context(chain: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if chain is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"gateway.certificate {chain} cannot be used: {error}") from error
    return context


def _delivery(settings: Settings) -> None:
    from ..delivery import Courier, Delivering, Schedule, Smarthost
    from ..ids import Ids
    from ..spool import Spool
    from ..tokens import Ring

    smarthost = Smarthost(
        host=settings.smarthost_host,
        port=settings.smarthost_port,
        security=settings.smarthost_security,
        username=settings.smarthost_username,
        password=settings.smarthost_password,
        timeout_seconds=settings.delivery_timeout_seconds,
    )
    context = ssl.create_default_context()
    if settings.smarthost_security == "opportunistic":  # RFC 7435: better than in the clear
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    delivering = Delivering(
        spool=Spool(settings.data_directory / "spool.db"),
        ring=Ring(read_keys(settings.data_directory)),
        ids=Ids(node=_DELIVERY_NODE),
        schedule=Schedule(
            retry_seconds=settings.delivery_retry_seconds,
            lifetime_seconds=settings.delivery_lifetime_seconds,
        ),
        new_courier=lambda: Courier(
            smarthost,
            hostname=settings.gateway_hostname,
            most_messages=settings.delivery_messages_per_connection,
            context=context,
        ),
        connections=settings.delivery_connections,
        hostname=settings.gateway_hostname,
        returns=_returns(settings),
    )

    async def main(stopping: asyncio.Event) -> None:
        if settings.smarthost_host:
            _say_ready(f"hands mail to {smarthost.host}:{smarthost.port}")
            await delivering.run(stopping)
        else:
            _say_ready("no smarthost is set; nothing is sent")
            await stopping.wait()

    _run_async(main, name="delivery")


def _ingest(settings: Settings) -> None:
    from ..evidence import Rules, load_rules
    from ..history import History
    from ..ingest import Ingest, Nightly, RelayLog
    from ..spool import Spool
    from ..tokens import Ring

    ring = Ring(read_keys(settings.data_directory))
    history = History(settings.history_address, patient=True)
    nightly = Nightly(history=history, days=settings.retention_days, at=settings.retention_at)

    def rules() -> Rules:
        lists = settings.data_directory / "networks"
        return load_rules(settings.rules_file, lists=lists, now=datetime.now(UTC))

    ingest = Ingest(
        history=history,
        spool=Spool(settings.data_directory / "spool.db"),
        journal_directory=settings.data_directory / "journal",
        rules=rules(),
        read_rules=rules,
        keep=timedelta(days=settings.journal_keep_days),
        ring=ring,
        relay_log=RelayLog(log, ring) if (log := settings.returns_postfix_log) else None,
        **_simulated_time(settings),
    )

    # A batch makes hundreds of thousands of records that all go at its end: looking for rings among
    # them at the usual pace took a third of ingest's time (measured 2026-11-28).
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)

    async def main(stopping: asyncio.Event) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, ingest.renew_rules)
        _say_ready("follows the journal and the spool")
        await asyncio.gather(ingest.run(stopping), nightly.run_daily(stopping))

    _run_async(main, name="ingest")


def _simulated_time(settings: Settings) -> dict[str, Any]:  # keyword arguments of Ingest
    """In the demo a hit stands in the history at the time that it stands for in the world.

    The world's own now lies ahead of ours, so that its verdicts settle while somebody looks.
    """
    if not settings.demo_pace:
        return {}
    from ..world import EvenPace, Pace, SlowingPace

    kind, *numbers = settings.demo_pace
    first, *others = (float(number) for number in numbers)
    pace: Pace = EvenPace(first)
    ahead = timedelta(minutes=first)
    if kind == "slowing":
        pace = SlowingPace(story_seconds=first, real_seconds=others[0])
        ahead = timedelta(seconds=first)
    return {"told_at": pace.told_at, "clock": lambda: datetime.now(UTC) + ahead}


def _web(settings: Settings) -> None:
    from ..history import History
    from ..web import Config, Desk, Following, RateLimit, serve

    def refusal() -> str | None:
        if settings.smarthost_host:
            return None
        return "no smarthost is set yet, so nothing can be sent; see smarthost.host"

    async def main(stopping: asyncio.Event) -> None:
        history = History(settings.history_address, patient=True)
        await serve(
            Config(
                host=settings.web_host,
                port=settings.web_port,
                url=settings.dashboard_url,
                data_directory=settings.data_directory,
                tracking_host=urlsplit(settings.tracking_url).hostname,
                own_link=lambda user_id: own_link(settings, user_id),
            ),
            history=history,
            desk=Desk(
                history=history,
                intake=_intake(settings, history, _WEB_NODE),
                following=Following(history),
                refusal=refusal,
                resolver=_resolver(),
                tracking_host=urlsplit(settings.tracking_url).hostname or "localhost",
                max_message_bytes=settings.gateway_max_message_bytes,
                max_recipients=settings.gateway_max_recipients,
                key_limit=RateLimit("key", quota=settings.api_requests_per_minute),
            ),
            stopping=stopping,
            on_ready=lambda: _say_ready(settings.dashboard_url),
        )

    _run_async(main, name="web")


def _resolver() -> Resolver:
    """The system's name servers; where none is configured, what the system finds by itself."""
    from ..lookup import DnsResolver, SystemResolver

    try:
        return DnsResolver.from_system()
    except ConfigurationError:
        return SystemResolver()


def _notify(settings: Settings) -> None:
    from ..history import History
    from ..lookup import SystemResolver, WebFetcher
    from ..notify import TIMEOUT_SECONDS, Notifying

    _allow_open_files()

    async def main(stopping: asyncio.Event) -> None:
        fetcher = WebFetcher(
            SystemResolver(),
            timeout_seconds=TIMEOUT_SECONDS,
            allowed=settings.notify_allow_networks,
        )
        async with fetcher:
            history = History(settings.history_address, patient=True)
            notifying = Notifying(history=history, fetcher=fetcher)
            _say_ready("sends webhooks")
            await notifying.run(stopping)

    _run_async(main, name="notify")


def _allow_open_files() -> None:
    """As many as the system grants: each endpoint has connections of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _guard_proxy(settings: Settings) -> None:
    from ..guard.pictures import PictureUrls
    from ..lookup import WebFetcher
    from ..proxy import Limits, ProxyConfig, Shelf, serve

    if not settings.proxy_url:
        raise ConfigurationError(
            "guard-proxy.url: needed by the role guard-proxy, for readers to reach it"
        )
    directory = settings.data_directory / "guard-proxy"

    async def main(stopping: asyncio.Event) -> None:
        async with WebFetcher(_resolver(), timeout_seconds=10.0) as fetcher:
            await serve(
                ProxyConfig(
                    host=settings.proxy_host,
                    port=settings.proxy_port,
                    keep_days=settings.proxy_keep_days,
                    limits=Limits(max_image_bytes=settings.proxy_max_image_bytes),
                ),
                urls=PictureUrls(settings.proxy_url, picture_key(settings.data_directory)),
                fetcher=fetcher,
                shelf=Shelf(directory, max_bytes=settings.proxy_max_bytes),
                stopping=stopping,
                on_ready=lambda: _say_ready(settings.proxy_url),
            )

    _run_async(main, name="guard-proxy")


_ROLES: dict[str, Callable[[Settings], None]] = {
    "collector": _collector,
    "gateway": _gateway,
    "ingest": _ingest,
    "delivery": _delivery,
    "web": _web,
    "notify": _notify,
    "guard-proxy": _guard_proxy,
}

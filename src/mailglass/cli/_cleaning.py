"""What the commands share that clean mail on its way or in a mailbox."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError
from ..gateway.cleaning import Cleaner, CleaningConfig
from ..guard import Remove, load_easyprivacy
from ..lookup import network, parse_server
from ._pictures import check_pictures, picture_options, picture_proxy

__all__ = [
    "CleaningOptions",
    "check_loop",
    "check_originals",
    "cleaner",
    "cleaning_options",
    "endpoint",
    "host_name",
    "listening",
    "until_stopped",
]

# A token of RFC 2045 section 5.1, as RFC 8601 section 2.2 has it without quotes. 253: a domain's
# longest name, which the authserv-id should be.
_AUTHSERV_ID = re.compile(r"[!#-'*+.0-9A-Z^-~-]{1,253}\Z")
_HOST_NAME = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningOptions:
    """What was asked for on the command line."""

    remove: str
    text_links: bool
    authserv_id: str | None
    dns_server: str | None
    easyprivacy: bool
    proxy_url: str | None
    proxy_key: Path | None
    proxy_server: str | None


def cleaning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as keyword arguments for CleaningOptions."""
    options = (
        click.option(
            "--remove",
            type=click.Choice([level.value for level in Remove]),
            default=Remove.TRACKERS.value,
            show_default=True,
            help="trackers (and unseen maybes), maybe (every maybe), all (every remote resource).",
        ),
        click.option("--text-links", is_flag=True, help="Clean the links of plain text as well."),
        click.option(
            "--authserv-id", help="Check DKIM and write Authentication-Results by this name."
        ),
        click.option(
            "--dns", "dns_server", metavar="HOST:PORT", help="The only DNS server to ask."
        ),
        click.option(
            "--easyprivacy/--no-easyprivacy", default=True, help="Ask an installed EasyPrivacy."
        ),
        picture_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


@asynccontextmanager
async def cleaner(
    options: CleaningOptions, originals: Path | None = None, *, is_border: bool = True
) -> AsyncIterator[Cleaner]:
    """What cleans, with the DNS behind it; raises ConfigurationError for options that cannot be."""
    _check(options)
    urls = check_pictures(options.proxy_url, options.proxy_key, options.proxy_server)
    server = options.proxy_server or options.proxy_url or ""
    loop = asyncio.get_running_loop()
    async with network(options.dns_server) as net:

        def find_txt(name: str) -> bytes | None:
            """Ask from the thread that cleans."""
            question = asyncio.run_coroutine_threadsafe(net.resolver.ask(name, "TXT"), loop)
            answer = question.result(timeout=10)
            if not answer.is_known:
                raise OSError(f"the DNS said {answer.outcome} for {name}")
            return answer.records[0].encode("utf-8", "surrogateescape") if answer.records else None

        yield Cleaner(
            CleaningConfig(
                remove=Remove(options.remove),
                text_links=options.text_links,
                authserv_id=options.authserv_id,
                originals=originals,
                is_border=is_border,
            ),
            find_txt=find_txt,
            mail_list=load_easyprivacy() if options.easyprivacy else None,
            proxy=None if urls is None else picture_proxy(urls, server, net.fetcher),
        )


def _check(options: CleaningOptions) -> None:
    name = options.authserv_id
    if name is not None and not _AUTHSERV_ID.match(name):
        raise ConfigurationError(
            f'--authserv-id {name!r}: write one word of ASCII without any of ()<>@,;:\\"/[]?='
            " (RFC 8601), usually the server's name, such as mx.example.org"
        )
    if options.dns_server is not None:
        try:
            parse_server(options.dns_server)
        except ConfigurationError as error:
            raise ConfigurationError(f"--dns: {error}") from error


def check_originals(folder: Path | None) -> None:
    """Make the folder of originals; raises ConfigurationError when nothing can be written there.

    Found out only with the first message, each message would go on uncleaned.
    """
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"--originals {folder}: no original can be written there: {reason}"
        ) from error


def host_name(text: str, option: str) -> str:
    """A host's name or address; raises ConfigurationError that names the option."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST_NAME.match(text):
            raise ConfigurationError(
                f"{option} {text!r}: write a host's name or address, such as mail.example.org"
            ) from None
    return text


def endpoint(text: str, option: str, *, may_choose: bool = False) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; raises ConfigurationError that names the option.

    With `may_choose` the port 0 leaves the choice to the system, for an address to listen on.
    """
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    is_port = re.fullmatch(r"[0-9]{1,5}", port) and (1 - may_choose) <= int(port) <= 65535
    if not colon or not is_port or (":" in host) != is_bracketed:
        raise ConfigurationError(
            f"{option} {text}: write HOST:PORT, such as 127.0.0.1:10025 or [::1]:10025"
        )
    return host_name(host.strip("[]"), f"{option} {text}: host"), int(port)


def check_loop(listen: tuple[str, int], next_hop: tuple[str, int]) -> None:
    """Raises ConfigurationError when mail would come back to where it is handed on from."""
    (host, port), (next_host, next_port) = listen, next_hop
    if port != next_port:
        return
    ours = _addresses(host)
    theirs = _addresses(next_host)
    is_any = any(ipaddress.ip_address(one).is_unspecified for one in ours)
    if theirs & ours or (is_any and any(map(_is_own, theirs))):
        raise ConfigurationError(
            f"--next {next_host}:{next_port} is where --listen {host}:{port} listens: each message"
            " would come back for ever; name the port at which your mail server takes mail back"
        )


def _addresses(host: str) -> set[str]:
    """The addresses of a host; none where it cannot be looked up now."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]).partition("%")[0] for *_, address in found}


def _is_own(address: str) -> bool:
    """Whether this machine answers at an address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


@contextmanager
def listening(text: str) -> Iterator[None]:
    """What the system refuses becomes a ConfigurationError that names --listen."""
    try:
        yield
    except OSError as error:
        # asyncio's own text names the address again; errors of getaddrinfo are below zero
        is_known = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno or 0) if is_known else error.strerror or str(error)
        raise ConfigurationError(f"--listen {text}: {reason}") from error


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()

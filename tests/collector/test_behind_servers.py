"""Behind Debian's nginx and Caddy, with the configurations that the documentation gives."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from collector.running import RING, Answer, Running, receive, request_bytes, serve
from collector.test_lifecycle import free_port, make_certificate
from mailglass.journal import Attachments
from mailglass.tokens import (
    Kind,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    unsubscribe_url,
)
from product import PROJECT

pytestmark = pytest.mark.servers
PAGE = PROJECT / "docs" / "howto" / "behind-nginx-or-caddy.md"
CLIENT = "127.0.0.2"  # not the address that the proxy has
HOST = "track.example.com"
TO = "https://shop.example/a?b=ü"
LINK = link_url("", RING.mint(Kind.CLICK, 7, 1, bound=link_bound(TO)), TO)
BEACON = beacon_url("", RING.mint(Kind.OPEN, 7, 1))

Ask = Callable[..., Answer]


def documented(language: str) -> str:
    """The configuration in the page's block of this language."""
    match = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    return match[1]


def nginx_command(directory: Path, port: int, collector_port: int) -> list[str]:
    """The documented server block within the least that makes nginx run in the foreground."""
    certificate = make_certificate(directory, HOST, HOST)
    block = documented("nginx")
    block = block.replace("127.0.0.1:8480", f"127.0.0.1:{collector_port}")
    block = block.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    block = block.replace(f"/etc/ssl/{HOST}.crt", str(certificate.chain_file))
    block = block.replace(f"/etc/ssl/{HOST}.key", str(certificate.key_file))
    temporary = "".join(
        f"{name}_temp_path {directory}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {directory}/nginx.pid;"
        f"error_log {directory}/error.log; user root; events {{}} http {{ {temporary} {block} }}"
    )
    return ["nginx", "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]


def caddy_command(directory: Path, port: int, collector_port: int) -> list[str]:
    """The documented site with a certificate of Caddy's own authority, on a port of the test's."""
    block = documented("caddyfile")
    block = block.replace("127.0.0.1:8480", f"127.0.0.1:{collector_port}")
    block = block.replace(f"{HOST} {{", f"https://{HOST}:{port} {{\n\ttls internal")
    options = f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n\tstorage file_system {directory}/caddy\n}}\n"  # noqa: E501
    (directory / "Caddyfile").write_text(options + block)
    return ["caddy", "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]


COMMANDS = {"nginx": nginx_command, "caddy": caddy_command}


def ask_tls(port: int, data: bytes) -> Answer:
    """An answer by TLS, as soon as somebody speaks it there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 20, (CLIENT, 0)) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as connection,
            ):
                connection.sendall(data)
                return receive(connection, is_head=data.startswith(b"HEAD"))
        except (ConnectionRefusedError, ssl.SSLError):
            continue


@contextmanager
def server_before(directory: Path, name: str, collector_port: int) -> Iterator[Ask]:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    port = free_port()
    command = COMMANDS[name](directory, port, collector_port)
    environment = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with (
        (directory / "server.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield lambda *args, **headers: ask_tls(port, request_bytes(*args, **headers))
        finally:
            process.terminate()


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ask, Running]]:
    with (
        serve(tmp_path, trusted_proxies=(ip_network("127.0.0.1/32"),), hosts=(HOST,)) as server,
        server_before(tmp_path, request.param, server.collector.port) as ask,
    ):
        yield ask, server


def test_everything_works_through_the_documented_configuration(
    proxied: tuple[Ask, Running],
) -> None:
    ask, server = proxied
    image = ask(BEACON, User_Agent="Reader/1", Accept_Language="ko")
    assert (len(image.body), image.headers["content-type"]) == (43, "image/gif")
    assert image.headers["cache-control"] == "no-cache, no-store, max-age=0, must-revalidate"
    assert image.headers["strict-transport-security"] == "max-age=31536000"
    assert ask(LINK).headers["location"] == "https://shop.example/a?b=%C3%BC"
    assert ask(LINK + "x").status == 404
    assert ask(BEACON, "HEAD").status == 200
    unsubscribe = unsubscribe_url("", RING.mint(Kind.UNSUBSCRIBE, 7))
    assert ask(unsubscribe, "POST", b"List-Unsubscribe=One-Click").status == 200
    hits = server.hits()
    assert [hit.path_kind for hit in hits] == ["o", "c", "c", "o", "u"]
    assert hits[0].address == CLIENT
    assert hits[0].headers["host"].partition(":")[0] == HOST
    assert hits[0].headers["user-agent"] == "Reader/1"
    assert hits[3].method == "HEAD"
    assert hits[4].action == "unsubscribe"


def test_an_attachment_and_its_ranges_come_through(proxied: tuple[Ask, Running]) -> None:
    ask, server = proxied
    content = os.urandom(3_000_000)
    digest = Attachments(server.directory / "attachments").add(content)
    token = RING.mint(Kind.ATTACHMENT, 7, bound=attachment_bound(digest, "ü x.pdf"))
    url = attachment_url("", token, digest, "ü x.pdf")
    assert ask(url).body == content
    assert ask(url, Range="bytes=1000000-").body == content[1_000_000:]
    assert [hit.completed for hit in server.hits()] == [True, True]


def test_an_address_that_a_client_claims_is_not_believed(proxied: tuple[Ask, Running]) -> None:
    ask, server = proxied
    ask(BEACON, X_Forwarded_For="203.0.113.66")
    assert server.hit().address == CLIENT

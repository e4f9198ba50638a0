"""Real servers on loopback: nsd, rbldnsd, unbound and Postfix, each in a directory of its own.

Every server gets free ports, its own configuration and no privileges to keep; what is started here
is ended here. Tests skip when Debian's package is absent.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from postmaster_zones import BLOCKLISTS, RBLDNSD_ZONES, signed_zones, zone_files

from mailglass.lookup import DnsResolver, FetchOutcome, Memo, Page, SocketDialler
from mailglass.model import Finding
from mailglass.postmaster import Case, examine


def free_port() -> int:
    """A port that is free for UDP and TCP on every loopback address just now."""
    while True:
        with (
            closing(socket.socket()) as tcp,
            closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp,
        ):
            tcp.bind(("", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("", port))
            except OSError:
                continue
            return int(port)


def needs(*programs: str) -> list[str]:
    """The paths of the programs; skips the test when one is absent."""
    paths = [shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") for program in programs]
    for program, path in zip(programs, paths, strict=True):
        if path is None:
            pytest.skip(f"{program} is not installed")
    return [path for path in paths if path]


def wait_for(ready: Callable[[], bool], what: str) -> None:
    """Ask until a server answers; 20 s bound a busy machine."""
    end = time.monotonic() + 20
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not start")
        time.sleep(0.05)


def answers_dns(port: int, name: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            question = dns.message.make_query(name, "SOA")
            dns.query.udp(question, "127.0.0.1", timeout=0.5, port=port)
        except Exception:
            return False
        return True

    return ready


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A directory that servers without root may enter."""
    with tempfile.TemporaryDirectory(prefix="mailglass-servers-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def certificate(folder: Path) -> tuple[Path, Path, bytes]:
    """A key and a certificate of an authority that nobody knows, with its DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.good.test")])
    now = datetime.now(UTC)
    names = ["mx.good.test", "mx.signed.test", "localhost", "*.wild.test"]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    key_file, file = folder / "key.pem", folder / "cert.pem"
    encoding = serialization.Encoding
    key_file.write_bytes(
        key.private_bytes(
            encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file.write_bytes(built.public_bytes(encoding.PEM))
    return key_file, file, built.public_bytes(encoding.DER)


@pytest.fixture(scope="session")
def nsd(folder: Path, certificate: tuple[Path, Path, bytes]) -> Iterator[int]:
    """The port of an authoritative server with every zone of the cases."""
    (program,) = needs("nsd")
    port, home = free_port(), folder / "nsd"
    home.mkdir()
    lines = [
        "server:",
        f"  ip-address: 127.0.0.1@{port}",
        '  username: ""',
        '  chroot: ""',
        '  database: ""',
        f"  zonesdir: {home}",
        f"  pidfile: {home}/nsd.pid",
        f"  xfrdfile: {home}/xfrd.state",
        f"  zonelistfile: {home}/zone.list",
        "remote-control:",
        "  control-enable: no",
    ]
    zones = {**zone_files(), **signed_zones(certificate[2])[0]}
    for number, (name, text) in enumerate(zones.items()):
        (home / f"{number}.zone").write_text(text)
        lines += ["zone:", f"  name: {name}", f"  zonefile: {number}.zone"]
    lines += ["zone:", "  name: broken.test", "  zonefile: absent.zone"]  # answers SERVFAIL
    config = home / "nsd.conf"
    config.write_text("\n".join(lines) + "\n")
    with running([program, "-d", "-c", str(config)], home / "log"):
        wait_for(answers_dns(port, "test"), "nsd")
        yield port


@pytest.fixture(scope="session")
def rbldnsd(folder: Path) -> Iterator[int]:
    """The port of a blocklist server with live, dead, wildcarded and refusing zones."""
    (program,) = needs("rbldnsd")
    port, home = free_port(), folder / "rbl"
    home.mkdir()
    for name, text in RBLDNSD_ZONES.items():
        (home / name).write_text(text)
    served = [f"{zone}:{kind}:{file}" for zone, kind, file in BLOCKLISTS]
    command = [program, "-n", "-f", "-w", str(home), "-b", f"127.0.0.1/{port}", "-u", "rbldns"]
    with running([*command, *served], home.parent / "rbl.log"):
        wait_for(answers_dns(port, BLOCKLISTS[0][0]), "rbldnsd")
        yield port


@pytest.fixture(scope="session")
def unbound(
    folder: Path, nsd: int, rbldnsd: int, certificate: tuple[Path, Path, bytes]
) -> Iterator[int]:
    """The port of a validating resolver in front of both."""
    (program,) = needs("unbound")
    port, home = free_port(), folder / "unbound"
    home.mkdir()
    anchors = signed_zones(certificate[2])[1]
    stubs = [
        ("test.", nsd),
        ("in-addr.arpa.", nsd),
        *((zone, rbldnsd) for zone, _, _ in BLOCKLISTS),
    ]
    lines = [
        "server:",
        f"  interface: 127.0.0.1@{port}",
        '  username: ""',
        '  chroot: ""',
        f"  directory: {home}",
        f"  pidfile: {home}/unbound.pid",
        "  use-syslog: no",
        "  do-not-query-localhost: no",
        '  module-config: "validator iterator"',
        '  local-zone: "test." nodefault',
        '  local-zone: "127.in-addr.arpa." nodefault',
        *(f"  trust-anchor: '{anchor}'" for anchor in anchors),
    ]
    for zone, server in stubs:
        lines += ["stub-zone:", f"  name: {zone}", f"  stub-addr: 127.0.0.1@{server}"]
    config = home / "unbound.conf"
    config.write_text("\n".join(lines) + "\n")
    with running([program, "-d", "-c", str(config)], home / "log"):
        wait_for(answers_dns(port, "test"), "unbound")
        yield port


@pytest.fixture(scope="session")
def postfix(folder: Path, certificate: tuple[Path, Path, bytes]) -> Iterator[int]:
    """The port of Postfix: on 127.0.0.1 with STARTTLS, on 127.0.0.2 without."""
    (program,) = needs("postfix")
    port, home = free_port(), folder / "postfix"
    for part in ("etc", "spool", "data"):
        (home / part).mkdir(parents=True)
    shutil.chown(home / "data", "postfix")
    shutil.copy("/etc/postfix/postfix-files", home / "etc")
    (home / "etc/dynamicmaps.cf").write_text("")
    key, cert, _ = certificate
    (home / "etc/main.cf").write_text(
        f"""compatibility_level = 3.6
config_directory = {home}/etc
queue_directory = {home}/spool
data_directory = {home}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.good.test
mydestination = good.test
mynetworks = 127.0.0.9/32
local_recipient_maps = inline:{{ reader=x }}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_helo_restrictions = reject_invalid_helo_hostname
smtpd_sender_restrictions = check_sender_access inline:{{ blocked@example.test=REJECT }}
smtpd_delay_reject = no
smtpd_helo_required = yes
disable_dns_lookups = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
maillog_file_prefixes = {home}
maillog_file = {home}/mail.log
"""
    )
    (home / "etc/master.cf").write_text(
        f"""127.0.0.1:{port} inet n - n - - smtpd
127.0.0.2:{port} inet n - n - - smtpd -o smtpd_tls_security_level=none
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
"""
    )
    base = [program, "-c", str(home / "etc")]
    started = subprocess.run([*base, "start"], capture_output=True, timeout=60)
    log = home / "mail.log"
    assert started.returncode == 0, log.read_text() if log.exists() else started
    try:
        yield port
    finally:
        subprocess.run([*base, "stop"], check=False, capture_output=True, timeout=60)


@dataclass(frozen=True)
class FixedPages:
    """A fetcher whose pages are given; anything else has no address."""

    pages: Mapping[str, Page]

    async def fetch(self, url: str, **options: object) -> Page:
        missing = Page(url=url, outcome=FetchOutcome.NO_ADDRESS, detail="no address")
        return self.pages.get(url, missing)


Examine = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def doctor(nsd: int, postfix: int) -> Examine:
    """Examine a domain of the zones; gives the findings by id."""

    def run(domain: str, **options: object) -> dict[str, list[Finding]]:
        port = int(str(options.pop("resolver_port", nsd)))
        pages = options.pop("pages", {})
        assert isinstance(pages, Mapping)

        async def ask() -> list[Finding]:
            case = Case(
                **{
                    "domain": domain,
                    "author_domain": domain,
                    "resolver": Memo(DnsResolver([("127.0.0.1", port)])),
                    "fetcher": FixedPages(pages),
                    "dialler": SocketDialler(timeout_seconds=20),
                    "now": datetime(2026, 11, 22, tzinfo=UTC),
                    "zones": (),
                    "smtp_port": postfix,
                    **options,
                }  # type: ignore[arg-type]
            )
            return await examine(case)

        found: dict[str, list[Finding]] = {}
        for each in asyncio.run(ask()):
            found.setdefault(each.id, []).append(each)
        return found

    return run

"""How long `mailglass doctor` takes: with servers that answer, and with servers that do not.

A DNS server of this program answers on loopback for a domain with everything (SPF with includes,
DKIM, DMARC, MX, MTA-STS, TLS-RPT, BIMI, every blocklist with its test points). Measured are the
command as a user starts it, the examination inside a running program, and as the limit the same
questions sent at once with nothing else done. The silent server is a socket that nobody reads.

    python bench/doctor.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import dns.flags  # noqa: E402
import dns.message  # noqa: E402
import dns.rcode  # noqa: E402
import dns.rdatatype  # noqa: E402
import dns.rrset  # noqa: E402

from mailglass.lookup import (  # noqa: E402
    Answer,
    DnsResolver,
    Memo,
    Resolver,
    SocketDialler,
    WebFetcher,
)
from mailglass.postmaster import ZONES, Case, examine  # noqa: E402

DOMAIN, IP = "shop.test", "192.0.2.10"
ROUNDS = 5
RECORDS = {
    ("shop.test", "SOA"): "ns.shop.test. h.shop.test. 1 600 300 86400 60",
    ("shop.test", "MX"): "10 mx.shop.test.",
    ("mx.shop.test", "A"): "127.0.0.1",
    ("shop.test", "TXT"): '"v=spf1 include:a.shop.test include:b.shop.test mx -all"',
    ("a.shop.test", "TXT"): '"v=spf1 include:c.shop.test ip4:192.0.2.10 -all"',
    ("b.shop.test", "TXT"): '"v=spf1 a:mx.shop.test -all"',
    ("c.shop.test", "TXT"): '"v=spf1 ip4:198.51.100.0/24 -all"',
    ("_dmarc.shop.test", "TXT"): '"v=DMARC1; p=reject; rua=mailto:d@shop.test"',
    ("_mta-sts.shop.test", "TXT"): '"v=STSv1; id=1"',
    ("_smtp._tls.shop.test", "TXT"): '"v=TLSRPTv1; rua=mailto:t@shop.test"',
    ("default._bimi.shop.test", "TXT"): '"v=BIMI1; l=https://logo.shop.test/l.svg"',
    ("default._domainkey.shop.test", "TXT"): '"v=DKIM1; p="',
    ("10.2.0.192.in-addr.arpa", "PTR"): "mx.shop.test.",
}
HELD = [f"2.0.0.127.{zone.zone}" for zone in ZONES] + [f"test.{zone.zone}" for zone in ZONES]
RECORDS |= {(name, "A"): "127.0.0.2" for name in HELD}


def serve(server: socket.socket) -> None:
    """Answer for ever from RECORDS."""
    while True:
        data, peer = server.recvfrom(2048)
        query = dns.message.from_wire(data)
        name = query.question[0].name
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        response = dns.message.make_response(query, recursion_available=True)
        found = RECORDS.get((name.to_text(omit_final_dot=True).lower(), kind))
        if found:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, found))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        server.sendto(response.to_wire(), peer)


class Counting:
    """Notes each question once it is asked."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.asked: list[tuple[str, str]] = []

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        self.asked.append((name, kind))
        return await self.resolver.ask(name, kind, unchecked=unchecked)


async def examination(port: int) -> tuple[float, list[tuple[str, str]]]:
    """Seconds of one examination, and what it asked."""
    counting = Counting(DnsResolver([("127.0.0.1", port)]))
    memo = Memo(counting)
    async with WebFetcher(memo, private=True) as fetcher:
        case = Case(
            domain=DOMAIN,
            author_domain=DOMAIN,
            ips=(IP,),
            selectors=("default",),
            tracking_host="mx.shop.test",
            resolver=memo,
            fetcher=fetcher,
            dialler=SocketDialler(),
            now=datetime.now(UTC),
            smtp_port=9,
        )
        begin = time.perf_counter()
        await examine(case)
        return time.perf_counter() - begin, counting.asked


async def questions_alone(port: int, asked: list[tuple[str, str]]) -> float:
    """Seconds for the same questions and nothing else."""
    resolver = DnsResolver([("127.0.0.1", port)])
    begin = time.perf_counter()
    await asyncio.gather(*(resolver.ask(name, kind) for name, kind in asked))
    return time.perf_counter() - begin


def command(port: int) -> tuple[float, float]:
    """Seconds of the command from start to end, and of its work on the processor."""
    arguments = ["doctor", DOMAIN, "--ip", IP, "--selector", "default", "--smtp-port", "9"]
    arguments += ["--tracking-host", "mx.shop.test", "--resolver", f"127.0.0.1:{port}", "--json"]
    begin, used = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, "-m", "mailglass", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    seconds, now = time.perf_counter() - begin, os.times()
    work = now.children_user + now.children_system - used.children_user - used.children_system
    return seconds, work


def row(label: str, seconds: list[float]) -> str:
    """One line of the table."""
    middle = statistics.median(seconds)
    return f"| {label} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} |"


def main() -> None:
    """Measure, print and write the table."""
    answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answering.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    answering.bind(("127.0.0.1", 0))
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    server = multiprocessing.Process(target=serve, args=(answering,), daemon=True)
    server.start()
    port, silent_port = answering.getsockname()[1], silent.getsockname()[1]

    runs = [asyncio.run(examination(port)) for _ in range(ROUNDS)]
    asked = runs[0][1]
    alone = [asyncio.run(questions_alone(port, asked)) for _ in range(ROUNDS)]
    started = [command(port) for _ in range(ROUNDS)]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} shared cores"
    load = os.getloadavg()[0]
    lines = [
        f"# doctor\n\n`python bench/doctor.py`, {datetime.now(UTC):%Y-%m-%d}, {machine}",
        f"at a load of {load:.1f}, Python {platform.python_version()};",
        f"{ROUNDS} rounds, {len(asked)} questions to the DNS.\n",
        "| what | median s | least | most |",
        "|---|---|---|---|",
        row("the same questions at once, nothing else", alone),
        row("examination in a running program", [seconds for seconds, _ in runs]),
        row("command, from start to end", [seconds for seconds, _ in started]),
        row("command, its work on the processor", [work for _, work in started]),
        row("command, DNS server silent", [command(silent_port)[0] for _ in range(2)]),
    ]
    server.terminate()
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "bench/results/doctor.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

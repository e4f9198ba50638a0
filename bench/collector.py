"""The collector against nginx's `empty_gif` with its access log on, which promises less.

    python bench/collector.py [--rounds 5] [--seconds 4] [--rivals-python PATH]

One worker each, pinned to the first core; wrk on the second. Every server answers the same mix:
2,000 tokens, and 500 different sets of headers as mail proxies and browsers send them. Rounds are
interleaved, so that a neighbour's load falls on all; the ratio is what counts, not the figure.
The collector answers when the hit is on stable storage; nginx writes its log when a buffer is full.

`--rivals-python` names an interpreter that has pytracking[crypto], flask, django and gunicorn.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mailglass.tokens import Kind, Ring, beacon_url  # noqa: E402

RESULT = ROOT / "bench" / "results" / "collector.md"
KEY = bytes(range(32))
CONNECTIONS = 64
IDLE = 10_000

SERVE = f"""
import sys
from pathlib import Path
from mailglass.collector import Config, run
directory = Path(sys.argv[1])
run(Config(
    journal_directory=directory / "journal", attachment_directory=directory / "attachments",
    keys=({KEY!r},), port=int(sys.argv[2]), metrics_port=int(sys.argv[2]) + 1,
    hits_a_second=1e9, idle_seconds=600,
))
"""  # the rate limit counts as ever, but one address makes all the load here

NGINX = """
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 20000; multi_accept on; }}
http {{
    access_log {directory}/access.log combined buffer=64k flush=1s;
    keepalive_requests 100000000;
    client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
    fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
    add_header Cache-Control "no-cache, no-store, max-age=0, must-revalidate";
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ empty_gif; }} }}
    server {{ listen 127.0.0.1:{deferred} backlog=4096 deferred; location / {{ empty_gif; }} }}
}}
"""

RIVAL_FLASK = """
import sqlite3
import flask, pytracking
KEY = b"vXKvOmGAgIVr_mgA2ydVqDjNHf2zKgOA6-JyGcvlxSM="
CONFIGURATION = pytracking.Configuration(encryption_bytestring_key=KEY)
app = flask.Flask("rival")
store = sqlite3.connect({database!r}, isolation_level=None, check_same_thread=False)
store.execute("PRAGMA journal_mode=WAL")
store.execute("PRAGMA synchronous=FULL")
@app.get("/o/<path:path>")
def beacon(path):
    result = pytracking.get_open_tracking_result(path, configuration=CONFIGURATION)
    store.execute("INSERT INTO hit (about, agent, address) VALUES (?, ?, ?)", (
        str(result.metadata), flask.request.user_agent.string, flask.request.remote_addr))
    return flask.Response(pytracking.TRACKING_PIXEL, mimetype=pytracking.PNG_MIME_TYPE)
"""

RIVAL_DJANGO = """
import sqlite3
import django.conf, django.core.wsgi, django.http, django.urls, pytracking
KEY = b"vXKvOmGAgIVr_mgA2ydVqDjNHf2zKgOA6-JyGcvlxSM="
CONFIGURATION = pytracking.Configuration(encryption_bytestring_key=KEY)
django.conf.settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
                               MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
store = sqlite3.connect({database!r}, isolation_level=None, check_same_thread=False)
store.execute("PRAGMA journal_mode=WAL")
store.execute("PRAGMA synchronous=FULL")
def beacon(request, path):
    result = pytracking.get_open_tracking_result(path, configuration=CONFIGURATION)
    store.execute("INSERT INTO hit (about, agent, address) VALUES (?, ?, ?)", (
        str(result.metadata), request.META.get("HTTP_USER_AGENT", ""), request.META["REMOTE_ADDR"]))
    return django.http.HttpResponse(pytracking.TRACKING_PIXEL, content_type="image/png")
urlpatterns = [django.urls.path("o/<path:path>", beacon)]
app = django.core.wsgi.get_wsgi_application()
"""

LUA = """
local paths = {{{paths}}}
local heads = {{{heads}}}
local i = 0
request = function()
    i = i + 1
    local agent, accept = heads[i % #heads + 1][1], heads[i % #heads + 1][2]
    return wrk.format("GET", paths[i % #paths + 1], {{["User-Agent"] = agent, ["Accept"] = accept,
        ["Accept-Encoding"] = "gzip, deflate, br", ["Connection"] = "{connection}"}})
end
"""


@dataclass
class Measured:
    """What the rounds of one server in one mode gave."""

    per_second: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.per_second)

    @property
    def p99(self) -> float:
        return statistics.median(self.p99_ms)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpu_us)


@dataclass
class Server:
    """A server that runs, pinned to the first core."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    paths: list[str]
    started_seconds: float

    def cpu_seconds(self) -> float:
        """Time of the process and its workers."""
        pids = [self.process.pid]
        children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split()
        return sum(map(_cpu_seconds, [*pids, *map(int, children)]))

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(name: str, command: list[str], port: int, paths: list[str]) -> Iterator[Server]:
    began = time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(["taskset", "-c", "0", *command], env=env, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port, paths[0]):
            if process.poll() is not None:
                raise SystemExit(f"{name} did not start: {' '.join(command)}")
        yield Server(name, port, process, paths, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return b" 200 " in connection.recv(100)
    except ConnectionRefusedError:
        return False


def measure(server: Server, script: Path, seconds: int, into: Measured) -> None:
    before = server.cpu_seconds()
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    command += ["--latency", "-s", str(script), f"http://127.0.0.1:{server.port}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests = int(re.findall(r"(\d+) requests in", text)[0])
    if "Non-2xx" in text:
        raise SystemExit(f"{server.name} answered with errors:\n{text}")
    into.per_second.append(float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]))
    into.p99_ms.append(_milliseconds(re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)[0]))
    into.cpu_us.append((server.cpu_seconds() - before) / requests * 1e6)


def _milliseconds(found: tuple[str, str]) -> float:
    return float(found[0]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[1]]


def write_script(directory: Path, server: Server, connection: str) -> Path:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Thunderbird/{n}.1"
    heads = [f'{{"{agent.format(n=n)}", "image/*"}}' for n in range(500)]
    paths = ",".join(f'"{path}"' for path in server.paths)
    file = directory / f"{server.port}-{connection}.lua"
    file.write_text(LUA.format(paths=paths, heads=",".join(heads), connection=connection))
    return file


def idle_memory(server: Server) -> float:
    """Resident MB while 10,000 connections that have been answered wait for nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE + 500), hard))
    request = f"GET {server.paths[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(IDLE):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(request)
            connection.recv(1000)
        megabytes = server.resident_mb()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return megabytes


def microseconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=5000, repeat=20)) / 5000 * 1e6


def rivals(stack: ExitStack, directory: Path, python: str | None) -> list[Server]:
    """pytracking (Fernet tokens) with one SQLite insert a hit, one gunicorn worker."""
    if python is None:
        print("no rivals: give --rivals-python", file=sys.stderr)
        return []
    make = (
        "import pytracking; c = pytracking.Configuration("
        "encryption_bytestring_key=b'vXKvOmGAgIVr_mgA2ydVqDjNHf2zKgOA6-JyGcvlxSM=');"
        "print(pytracking.get_open_tracking_url({'id': 7}, configuration=c))"
    )
    path = subprocess.check_output([python, "-c", make], text=True).strip().rpartition("/")[2]
    found = []
    for number, (name, program) in enumerate(
        (("pytracking, Flask, SQLite", RIVAL_FLASK), ("pytracking, Django, SQLite", RIVAL_DJANGO))
    ):
        database = directory / f"rival{number}.sqlite"
        with sqlite3.connect(database) as store:
            store.execute("CREATE TABLE hit (id INTEGER PRIMARY KEY, about, agent, address)")
        (directory / f"rival{number}.py").write_text(program.format(database=str(database)))
        port = 18720 + number
        command = [python, "-m", "gunicorn", "-w1", f"-b127.0.0.1:{port}", "--backlog", "4096"]
        command += ["--chdir", str(directory), f"rival{number}:app"]
        found.append(stack.enter_context(serving(name, command, port, [f"/o/{path}"])))
    return found


def disk_milliseconds(directory: Path) -> float:
    """Median of an fdatasync of 20 kB into a file of constant size: the floor of a commit."""
    file = os.open(directory / "probe", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, bytes(4 << 20), 0)
    os.fsync(file)
    times = []
    for number in range(200):
        began = time.perf_counter()
        os.pwrite(file, b"x" * 20_000, number * 20_000)
        os.fdatasync(file)
        times.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return statistics.median(times)


def table(rows: dict[str, Measured]) -> list[str]:
    nginx = rows["nginx empty_gif, access log"]
    lines = [
        "| server | requests/s | of nginx | p99 ms | CPU µs a request |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row.rate:,.0f} | {row.rate / nginx.rate:.2f} | {row.p99:.1f} | {row.cpu:.0f} |"
        for name, row in rows.items()
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rivals-python")
    options = parser.parse_args()
    for program in ("nginx", "wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: apt-get install nginx wrk util-linux")
    ring = Ring([KEY])
    paths = [beacon_url("", ring.mint(Kind.OPEN, (1 << 60) + n * 977)) for n in range(2000)]
    lines = [
        "# The collector against nginx",
        "",
        f"`python bench/collector.py --rounds {options.rounds} --seconds {options.seconds}`, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_machine()}.",
        "",
        f"wrk, {CONNECTIONS} connections, 2,000 tokens, 500 sets of headers; medians of "
        "interleaved rounds; the collector's answers wait for the disk, nginx's do not.",
    ]
    with tempfile.TemporaryDirectory(dir=ROOT / "bench") as name, ExitStack() as stack:
        directory = Path(name)
        lines += [f"An fdatasync of 20 kB takes {disk_milliseconds(directory):.2f} ms here."]
        (directory / "nginx.conf").write_text(
            NGINX.format(directory=directory, port=18710, deferred=18711)
        )
        command = [sys.executable, "-c", SERVE, str(directory), "18700"]
        ours = stack.enter_context(serving("mailglass collector, durable", command, 18700, paths))
        nginx = stack.enter_context(
            serving(
                "nginx empty_gif, access log",
                ["nginx", "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")],
                18710,
                paths,
            )
        )
        deferred = replace(nginx, name="the same, listening `deferred`", port=18711)
        servers = [nginx, deferred, ours, *rivals(stack, directory, options.rivals_python)]
        for connection, title in (
            ("close", "A new connection for each request"),
            ("keep-alive", "Keep-alive"),
        ):
            rows = {server.name: Measured() for server in servers}
            for number in range(options.rounds):
                print(f"{title}, round {number + 1} of {options.rounds}", file=sys.stderr)
                for server in servers:
                    script = write_script(directory, server, connection)
                    measure(server, script, options.seconds, rows[server.name])
            lines += ["", f"## {title}", "", *table(rows)]
        read_us = microseconds(lambda token=paths[0][3:-4]: ring.read(token, Kind.OPEN))
        mint_us = microseconds(lambda: ring.mint(Kind.OPEN, 1 << 60))
        lines += [
            "",
            "## The rest",
            "",
            "| what | measured |",
            "|---|---|",
            f"| start to first answer | {ours.started_seconds:.2f} s |",
            f"| resident memory after the load | {ours.resident_mb():.0f} MB |",
            f"| resident memory with {IDLE:,} idle connections | {idle_memory(ours):.0f} MB |",
            f"| token: read, mint | {read_us:.1f} µs, {mint_us:.1f} µs |",
        ]
    print("\n".join(lines))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"Debian 12, {os.cpu_count()} shared cores, load {load:.1f} at the start of the report"


if __name__ == "__main__":
    main()

"""How long the server takes for each page of the dashboard, with many deliveries stored.

    python bench/dashboard.py [deliveries] [hits a delivery]

The history is generated as `bench/history.py` does, on SQLite; pages are asked for in this process,
as a signed-in browser would, so that the time is the server's: statements, sentences, templates.
The physical limit beside it is the sign-in page, which reads nothing.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "tests"), str(PROJECT / "bench")]

from starlette.testclient import TestClient  # noqa: E402

from history import generate  # noqa: E402  # bench/history.py
from mailglass.history import History, new_login_link, new_user  # noqa: E402
from mailglass.model import VerdictLevel  # noqa: E402
from mailglass.web import Config, create_app  # noqa: E402

READS = 100
BAR_MS = 100
URL = "http://127.0.0.1:1"


def addresses(history: History, rng: Random) -> dict[str, list[str]]:
    """For each page the addresses that are asked for in turn."""
    with history.reading() as t:
        found = t.messages(1, limit=5000)
    ids = [message.id for message in rng.sample(found, min(READS, len(found)))]
    return {
        "sign-in, the limit": ["/login"],
        "overview, 7 days": ["/?days=7"],
        "overview, 90 days": ["/?days=90"],
        "messages": ["/messages"],
        "messages, by verdict": [f"/messages?level={level}" for level in VerdictLevel],
        "messages, by domain": ["/messages?domain=" + found[0].author.rpartition("@")[2]],
        "a message": [f"/messages/{number}" for number in ids],
        "compose": ["/compose"],
        "deliverability": ["/deliverability"],
        "settings": ["/settings", "/settings/policies", "/settings/evidence"],
    }


def measure(browser: TestClient, paths: list[str]) -> list[float]:
    """Milliseconds of each of some reads, in order of length."""
    browser.get(paths[0])
    times = []
    for number in range(READS):
        began = time.perf_counter()
        answer = browser.get(paths[number % len(paths)])
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (paths[number % len(paths)], answer.status_code)
    return sorted(times)


def main() -> None:
    deliveries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    hits_each = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    folder = Path(tempfile.mkdtemp(prefix="mailglass-bench-"))
    try:
        history = History(f"sqlite:///{folder / 'history.db'}")
        generate(history, deliveries, hits_each)
        new_user(history, "bench", 1)
        link = new_login_link(history, "bench", "")
        browser = TestClient(
            create_app(Config(host="127.0.0.1", port=1, url=URL), history), base_url=URL
        )
        browser.post(link)
        lines = [
            "# The dashboard",
            "",
            f"{platform.platform()}, 2 shared cores, Python {platform.python_version()}, "
            f"{datetime.now(UTC):%Y-%m-%d}. {deliveries:,} deliveries and "
            f"{deliveries * hits_each:,} hits on SQLite. Command: "
            f"`python bench/dashboard.py {deliveries} {hits_each}`.",
            "",
            f"| page | p50 ms | p95 ms | times the sign-in page | within {BAR_MS} ms at p95 |",
            "|---|---|---|---|---|",
        ]
        limit = 0.0
        for name, paths in addresses(history, Random(163)).items():
            times = measure(browser, paths)
            p50, p95 = times[READS // 2], times[READS * 95 // 100]
            limit = limit or p50
            lines.append(
                f"| {name} | {p50:.1f} | {p95:.1f} | {p50 / limit:.1f} |"
                f" {'yes' if p95 <= BAR_MS else 'no'} |"
            )
        history.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text)
    (PROJECT / "bench" / "results" / "dashboard.md").write_text(text)


if __name__ == "__main__":
    main()

"""`mailglass serve guard-proxy` as a process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from mailglass.guard.pictures import PictureUrls
from product import environment

URL = "http://pictures.example.org"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def start(data: Path, *settings: str) -> subprocess.Popen[str]:
    options = [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "mailglass", "--data", str(data), *options, "serve", "guard-proxy"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_role_answers_those_who_have_its_key_and_reaches_nothing_private(
    tmp_path: Path,
) -> None:
    port = free_port()
    with start(tmp_path, f"guard-proxy.url={URL}", f"guard-proxy.port={port}") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "ready" in line:
                break
        key = tmp_path / "guard-proxy-key"
        assert key.stat().st_mode & 0o077 == 0
        urls = PictureUrls(URL, bytes.fromhex(key.read_text()))
        here = f"http://127.0.0.1:{port}"
        picture = f"{here}/i/x"
        body = json.dumps([picture]).encode()
        assert httpx.post(f"{here}/fetch", content=body).status_code == 403
        seal = {"X-Mailglass-Seal": urls.seal(body)}
        assert httpx.post(f"{here}/fetch", content=body, headers=seal).status_code == 202
        answer = httpx.get(urls.address(picture).replace(URL, here))
        assert (answer.status_code, len(answer.content)) == (200, 43)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(timeout=60) == 0


def test_without_its_address_the_role_does_not_start(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        _, text = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "guard-proxy.url" in text

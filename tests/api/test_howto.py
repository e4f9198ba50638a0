"""The examples of docs/howto/api.md and webhooks.md do what the pages say."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from api_house import ApiHouse
from test_streaming import serving

from happenings import add_message, tell
from mailglass.model import EventType
from mailglass.notify import new_secret, signed_headers
from product import PROJECT


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    return ApiHouse(tmp_path)


HOWTO = PROJECT / "docs" / "howto"


def examples(page: str, language: str) -> list[str]:
    text = (HOWTO / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.servers
@pytest.mark.parametrize("page", ["api.md", "webhooks.md"])
def test_every_example_of_the_page_runs(house: ApiHouse, page: str) -> None:
    for program in ("curl", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    (delivery,) = add_message(
        house.history, house.account_id, 7, "min@example.net", campaign="autumn"
    )
    tell(house.history, delivery, EventType.QUEUED, EventType.DELIVERED, EventType.CLICKED)
    blocks = examples(page, "sh")
    script = "set -eo pipefail\n" + "".join(f"{block}echo '--'\n" for block in blocks)

    async def run() -> str:
        async with serving(house) as client:
            environment = {**os.environ, "GLASS": str(client.base_url).rstrip("/")}
            environment["KEY"] = house.key()
            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-c", script],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    parts = asyncio.run(run()).split("--\n")
    assert len(parts) == len(blocks) + 1
    said = dict(zip(blocks, parts, strict=False))
    for block, text in said.items():
        if "jq" in block or "stream" in block:
            assert text.strip(), f"an example says nothing:\n{block}"
            assert "null" not in text.splitlines(), f"an example finds nothing:\n{block}\n{text}"


def test_the_receiver_of_the_page_takes_what_is_sent_and_nothing_forged() -> None:
    (code,) = examples("webhooks.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    secret, body = new_secret(), b'{"type": "opened", "data": {"recipient": "a@x.test"}}'
    headers = signed_headers("ntc_1_1", datetime.now(UTC), body, [secret])
    assert names["receive"](headers, body, secret) == {"type": "opened", "recipient": "a@x.test"}
    with pytest.raises(Exception, match="signature"):
        names["receive"](headers, body + b" ", secret)

"""The rules as data: what is packaged, and a site's own file over it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailglass.evidence import BadRules, judge_hit, load_rules
from mailglass.model import Actor, Hit

RunCli = Callable[..., subprocess.CompletedProcess[bytes]]


def hit(agent: str, address: str = "192.0.2.1") -> Hit:
    return Hit(
        at=datetime(2026, 11, 22, tzinfo=UTC),
        path_kind="c",
        method="GET",
        token="t",
        delivery_id=1,
        target=1,
        address=address,
        http_version="1.1",
        headers={"user-agent": agent},
    )


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "site.toml"
        file.write_text(text)
        return file

    return write


def test_every_packaged_rule_has_a_source_and_a_date() -> None:
    rules = load_rules()
    for signal in rules.signals.values():
        assert signal.source, signal.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", signal.as_of), signal.name
        assert signal.text, signal.name
    for name, rows in rules.rows.items():
        for row in rows:
            assert row["source"], (name, row)
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["as_of"]), (name, row)


def test_every_signal_that_speaks_for_a_machine_names_whom_it_means() -> None:
    for signal in load_rules().signals.values():
        if signal.weight < 0 and signal.family != "timing":
            assert signal.actor is not None, signal.name


def test_no_packaged_row_is_written_twice() -> None:
    rules = load_rules()
    keys = [(row["match"], row["text"].lower()) for row in rules.rows["clients"]]
    assert len(keys) == len(set(keys))
    networks = [row["network"] for row in rules.rows["networks"]]
    assert len(networks) == len(set(networks))


def test_a_sites_rules_add_and_override_and_change_the_version(
    site: Callable[[str], Path],
) -> None:
    rules = load_rules(
        site(
            """
[bands]
machine_below = 0.1

[signal.client.tool]
ratio = "1/2"
source = "our monitoring uses curl"

[signal.timing.under_3_minutes]
ratio = 1.5
below_seconds = 180

[[clients]]
match = "prefix"
text = "OurReader/"
class = "mail_app"
name = "our reader"

[[networks]]
network = "203.0.113.0/24"
owner = "our gateway"
role = "scanner"

[[names]]
pattern = ".gateway.example"
owner = "our gateway"
role = "scanner_name"
"""
        )
    )
    packaged = load_rules()
    assert rules.version.startswith(packaged.version + "+")
    assert rules.machine_below == 0.1
    assert rules.human_above == packaged.human_above
    assert rules.signals["client.tool"].weight > packaged.signals["client.tool"].weight
    assert "our monitoring" in rules.signals["client.tool"].source
    assert [s.below_seconds for s in rules.delays] == sorted(s.below_seconds for s in rules.delays)
    assert any(s.name == "timing.under_3_minutes" for s in rules.delays)
    assert rules.clients.classify("OurReader/2").kind == "mail_app"
    found = rules.networks.of_name("mx7.gateway.example")
    assert found is not None
    assert found.owner == "our gateway"
    judged = judge_hit(hit("Mozilla/5.0 (X11) Firefox/150.0", "203.0.113.7"), rules=rules)
    assert judged.actor is Actor.SECURITY_SCANNER
    assert judged.rules_version == rules.version


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[bands\n", 1, "no TOML"),
        ("[bands]\nx = 1\ny = [\n", 3, "no TOML"),
        ("[colours]\n", 1, "'colours' is none of"),
        ("[roles]\n", 1, "'roles' is none of"),
        ("[bands]\nmachine_below = 0.9\n", 1, "machine_below < human_above"),
        ("[bands]\n\nmiddle = 0.5\n", 3, "'middle' is none of"),
        ('[caps]\nitem = "much"\n', 2, "must be a number"),
        ("[caps]\nitem = inf\n", 2, "must be a number"),
        ("[caps]\ntotal = 1e9\n", 2, "at most 20"),
        ("[times]\nburst = nan\n", 2, "must be a number"),
        ("[priors]\nstrength = 0\n", 2, "above 0"),
        ("[priors]\nhalf_life_days = 0\n", 2, "above 0"),
        ("[signal]\nclient = 5\n", 2, "must be a table"),
        ("[signal.timing.soon]\nratio = 2\nbelow_seconds = nan\n", 3, "from 0 up"),
        ('[signal.client.tool]\ntext = "{client:>99999999}"\n', 2, "the text may name"),
        ('[signal.client.tool]\ntext = "{client!r}"\n', 2, "the text may name"),
        ('[signal.client.tool]\ntext = ""\n', 2, "every number has its reason"),
        ('[signal.client.tool]\ntext = ["a"]\n', 2, "every number has its reason"),
        ('[signal.client.tool]\nactor = "human"\n', 2, "actor 'human' is none of"),
        ("[caps]\nshrink = 0.9\n", 2, "at most 0.5"),
        ("[priors]\nopen = 1\n", 2, "between 0 and 1"),
        ("[priors]\nprivacy = 0.9\n", 2, "between the bands"),
        ("[verdict]\nsilent = 0\n", 2, "between 0 and 1"),
        ("[signal.weather.rain]\nratio = 2\n", 1, "family 'weather' is none of"),
        ("[signal.client.tol]\nratio = 2\n", 1, "no signal is called 'client.tol'"),
        ("[signal.client]\ntool = 3\n", 2, "must be a table"),
        ("\n[signal.client.tool]\nratio = 0\n", 3, "above 0"),
        ('[signal.client.tool]\nratio = "1/0"\n', 2, "above 0"),
        ("[signal.client.tool]\nratio = true\n", 2, "above 0"),
        ("[signal.client.tool]\nratio = inf\n", 2, "above 0"),
        ("[signal.client.tool]\nweight = 3\n", 2, "'weight' is none of"),
        ('[signal.client.tool]\ntext = "{browser}"\n', 2, "the text may name"),
        ('[signal.client.tool]\ntext = "{client"\n', 2, "the text may name"),
        ('[signal.client.tool]\nactor = "bot"\n', 2, "actor 'bot' is none of"),
        ('[signal.client.tool]\nas_of = "lately"\n', 2, "must be a date"),
        ("[signal.timing.soon]\nratio = 2\nbelow_seconds = -3\n", 3, "from 0 up"),
        ("clients = 3\n", 1, "[[clients]]"),
        ("[[clients]]\nmatch = 'exact'\n", 1, "column 'class' is missing"),
        ("[[clients]]\nmatch='a'\ntext='b'\nclass='tool'\nname='c'\n", 1, "none of exact"),
        ("[[clients]]\nmatch='regex'\ntext='('\nclass='tool'\nname='c'\n", 1, "does not compile"),
        ("[[clients]]\nmatch='exact'\ntext='b'\nclass='bot'\nname='c'\n", 1, "class 'bot'"),
        ("\n\n[[networks]]\nnetwork='10.0.0.1/8'\nowner='a'\nrole='hosting'\n", 3, "host bits"),
        ("[[clients]]\nmatch='prefix'\ntext=''\nclass='tool'\nname='c'\n", 1, "text is empty"),
        ("[[networks]]\nnetwork='AS-5'\nowner='a'\nrole='hosting'\n", 1, "AS number"),
        ("[[networks]]\nnetwork='AS4294967296'\nowner='a'\nrole='hosting'\n", 1, "AS number"),
        ("[[networks]]\nnetwork='AS1x'\nowner='a'\nrole='hosting'\n", 1, "AS number"),
        ("[[networks]]\nnetwork='10.0.0.0/8'\nowner='a'\nrole='evil'\n", 1, "role 'evil'"),
        ("[[networks]]\nowner='a'\nasn=3\n", 1, "'asn' is none of"),
        ("[[names]]\npattern='regex:('\nowner='a'\nrole='hosting'\n", 1, "does not compile"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_the_reason(
    site: Callable[[str], Path], text: str, line: int, reason: str
) -> None:
    with pytest.raises(BadRules) as caught:
        load_rules(site(text))
    assert f"line {line}: " in str(caught.value)
    assert reason in str(caught.value)


def test_the_second_of_two_rows_is_named_by_its_own_line(site: Callable[[str], Path]) -> None:
    good = "[[networks]]\nnetwork='10.0.0.0/8'\nowner='a'\nrole='hosting'\n"
    with pytest.raises(BadRules, match="line 5: "):
        load_rules(site(good + good.replace("hosting", "hostile")))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="cannot be read"):
        load_rules(tmp_path / "none.toml")


def test_the_command_lists_every_rule(run_cli: RunCli) -> None:
    done = run_cli("rules", "--json")
    listed = json.loads(done.stdout)
    rules = load_rules()
    assert listed["version"] == rules.version
    assert {s["name"] for s in listed["signals"]} == set(rules.signals)
    assert len(listed["networks"]) == len(rules.rows["networks"])


def test_the_command_tells_a_bad_file_in_one_line(
    run_cli: RunCli, site: Callable[[str], Path]
) -> None:
    done = run_cli("rules", "--rules", str(site("[bands]\nhuman_above = 2\n")))
    assert done.returncode == 78
    assert b"site.toml line 1: " in done.stderr

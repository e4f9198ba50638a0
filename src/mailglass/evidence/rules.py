"""The rules: every ratio, gate, band and table as data, with its source and date.

The packaged files stand under `data/`.  A site's own file (TOML) has the same shape as
`data/rules.toml`, may add rows `[[clients]]`, `[[networks]]` and `[[names]]` (tried before ours),
and wins where both speak.  What judges is in `judge`; this module reads and checks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from string import Formatter

from ..model import Actor
from .clients import ClientTable
from .lists import KeptList, add_lists, kept_lists
from .networks import NetworkTable
from .sheet import SITE, Sheet
from .tables import BadRules, Row, read_table

__all__ = ["FAMILIES", "Rules", "Signal", "load_rules", "log_odds"]

FAMILIES = ("client", "network", "request", "timing", "behaviour", "history", "gate")

_NUMBERS = ("bands", "caps", "priors", "times", "crowd", "browsers", "browsers_ageing", "verdict")
_ROWS = {
    "clients": ("match", "text", "class", "name", "source", "as_of"),
    "networks": ("network", "owner", "role", "source", "as_of"),
    "names": ("pattern", "owner", "role", "source", "as_of"),
    "mailboxes": ("domain", "provider", "source", "as_of"),
}
_SECTIONS = frozenset({"version", "signal", *_NUMBERS, *_ROWS})
_ENDLESS = 1e12  # seconds, versions, hits: far above any that means something
_MOST_CERTAIN = 20.0  # of log-odds: two in a thousand million; the sum stays within the floats
_SIGNAL_KEYS = frozenset({"ratio", "text", "source", "as_of", "actor", "below_seconds"})


@dataclass(frozen=True, slots=True)
class Signal:
    """One named observation and what it is worth."""

    name: str  # family.word
    family: str
    weight: float  # natural log of the ratio, within the cap of an item
    text: str  # may name {client}, {network}, {delay}, {method}, {detail}
    source: str
    as_of: str  # ISO date
    actor: Actor | None  # whom it points at when it speaks for a machine
    below_seconds: float  # of a timing signal: up to this delay
    file: str  # where it stands


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """All that judging needs besides the hit and its surroundings."""

    version: str  # of the packaged rules, then +digest of a site's file, +lists and their date
    numbers: Mapping[str, Mapping[str, float]]  # bands, caps, priors, times, crowd, verdict
    signals: Mapping[str, Signal]
    delays: tuple[Signal, ...]  # the timing signals in order of their bound
    steps: tuple[float, ...]  # the delays at which anything changes, ascending
    roles: Mapping[str, tuple[Signal, Signal]]  # of a network: for an open, for anything else
    clients: ClientTable
    networks: NetworkTable
    mailboxes: Mapping[str, str]  # by domain: whose mailboxes they are, where that is known
    rows: Mapping[str, tuple[Row, ...]]  # the tables as they were read, for listing
    # the share of people that was learned, by recipient domain and kind of hit
    expected: Mapping[tuple[str, str], float] = field(default_factory=dict)

    # the bands, which every hit asks for
    machine_below: float = field(init=False)  # the upper end of a machine's
    human_above: float = field(init=False)  # the lower end of a person's
    machine_weight: float = field(init=False)  # both as weights of evidence
    human_weight: float = field(init=False)

    def __post_init__(self) -> None:
        bands = self.numbers["bands"]
        for name in ("machine_below", "human_above"):
            object.__setattr__(self, name, bands[name])
        object.__setattr__(self, "machine_weight", log_odds(self.machine_below))
        object.__setattr__(self, "human_weight", log_odds(self.human_above))

    def expecting(self, shares: Mapping[tuple[str, str], float], name: str) -> Rules:
        """These rules with other expectations of domains; `name` goes into the version."""
        return replace(self, expected=shares, version=f"{self.version}+{name}")


def log_odds(probability: float) -> float:
    """The natural log of the odds, in which weights of evidence add up."""
    return math.log(probability / (1 - probability))


def load_rules(
    extra: Path | None = None, *, lists: Path | None = None, now: datetime | None = None
) -> Rules:
    """The packaged rules, with a site's own file over them when one is given.

    `lists` is the directory of refreshed network lists; `now` tells their age, and without it they
    count as fresh.  Raises BadRules naming the file, the line and the reason; nothing of a bad file
    is used.
    """
    packaged = _packaged("rules.toml")
    sheets = [Sheet(packaged, "rules.toml", {*_SECTIONS, "roles"}, is_packaged=True)]
    version = str(sheets[0].data["version"])
    if extra is not None:
        text = _read(extra)
        sheets.append(Sheet(text, str(extra), _SECTIONS))
        version += "+" + blake2b(text.encode(), digest_size=4).hexdigest()
    kept = kept_lists(lists) if lists is not None else []
    if kept:
        version += f"+lists{max(k.fetched_at for k in kept):%Y%m%d}"
    numbers = _merge_numbers(sheets)
    signals = _merge_signals(sheets, numbers["caps"]["item"])
    _check_ranges(numbers, sheets[-1])
    rows = _rows(sheets)
    roles = _roles(sheets[0], signals)
    _check_roles(rows, roles)
    delays = _delays(signals)
    return Rules(
        version=version,
        numbers=numbers,
        signals=signals,
        delays=delays,
        steps=_steps(delays, numbers),
        roles=roles,
        clients=ClientTable(rows["clients"], numbers["browsers"], numbers["browsers_ageing"]),
        networks=_networks(rows, kept, now),
        # a site's own rows come first, and the first one counts
        mailboxes={row["domain"].lower(): row["provider"] for row in reversed(rows["mailboxes"])},
        rows=rows,
    )


def _rows(sheets: Sequence[Sheet]) -> dict[str, tuple[Row, ...]]:
    """The tables, a site's own rows before the packaged ones."""
    return {
        name: (
            *(row for sheet in sheets[1:] for row in sheet.rows(name, columns)),
            *_packaged_rows(f"{name}.tsv"),
        )
        for name, columns in _ROWS.items()
    }


def _networks(
    rows: Mapping[str, Sequence[Row]], kept: Sequence[KeptList], now: datetime | None
) -> NetworkTable:
    # What comes later wins among equal prefixes, so a site's own rows come last.
    table = NetworkTable(reversed(rows["networks"]), rows["names"], _packaged_rows("words.tsv"))
    if kept:
        add_lists(table, kept, now or max(k.fetched_at for k in kept))
    return table


def _check_roles(
    rows: Mapping[str, Sequence[Row]], roles: Mapping[str, tuple[Signal, Signal]]
) -> None:
    for name in ("networks", "names"):
        for row in rows[name]:
            if row["role"] not in roles:
                raise row.refuse(f"role {row['role']!r} is none of {', '.join(sorted(roles))}")


def _delays(signals: Mapping[str, Signal]) -> tuple[Signal, ...]:
    bounded = (s for s in signals.values() if s.family == "timing" and s.below_seconds > 0)
    return tuple(sorted(bounded, key=lambda s: s.below_seconds))


def _steps(
    delays: Sequence[Signal], numbers: Mapping[str, Mapping[str, float]]
) -> tuple[float, ...]:
    """Hits between the same two steps are judged alike."""
    times = numbers["times"]
    bounds = {s.below_seconds for s in delays} | {0.0, times["isolation"]}
    return (-math.inf, -times["clock_error"], *sorted(bounds))


def _packaged(name: str) -> str:
    return (files(__package__) / "data" / name).read_text(encoding="utf-8")


def _packaged_rows(name: str) -> Iterator[Row]:
    return read_table(_packaged(name), name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRules(f"{path}: the file of rules cannot be read: {error}") from error


def _merge_numbers(sheets: Sequence[Sheet]) -> dict[str, dict[str, float]]:
    merged: dict[str, dict[str, float]] = {}
    for sheet in sheets:
        for section in _NUMBERS:
            known = merged.setdefault(section, {})
            for key, value in sheet.table(section).items():
                if (
                    not sheet.is_packaged
                    and not section.startswith("browsers")
                    and key not in known
                ):
                    raise sheet.refuse((section, key), f"{key!r} is none of {', '.join(known)}")
                known[key] = _number(sheet, (section, key), value)
    return merged


def _number(sheet: Sheet, path: Sequence[str], value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < _ENDLESS  # neither nan nor inf, which no comparison survives
    ):
        raise sheet.refuse(path, f"{path[-1]} must be a number from 0 up")
    return float(value)


def _check_ranges(numbers: Mapping[str, Mapping[str, float]], sheet: Sheet) -> None:
    bands = numbers["bands"]
    if not 0 < bands["machine_below"] < bands["human_above"] < 1:
        raise sheet.refuse(("bands",), "0 < machine_below < human_above < 1 must hold")
    for key in ("open", "click", "download", "floor", "ceiling"):
        if not 0 < numbers["priors"][key] < 1:
            raise sheet.refuse(("priors", key), f"{key} must lie between 0 and 1")
    if not bands["machine_below"] <= numbers["priors"]["privacy"] <= bands["human_above"]:
        # Apple's fetch is never called a person's, nor a machine's.
        raise sheet.refuse(("priors", "privacy"), "privacy must lie between the bands")
    if numbers["priors"]["floor"] < bands["machine_below"]:
        raise sheet.refuse(("priors", "floor"), "floor must not lie below machine_below")
    if numbers["priors"]["ceiling"] > bands["human_above"]:
        raise sheet.refuse(("priors", "ceiling"), "ceiling must not lie above human_above")
    for key in ("item", "total"):
        if not 0 < numbers["caps"][key] <= _MOST_CERTAIN:
            raise sheet.refuse(("caps", key), f"{key} must be above 0 and at most {_MOST_CERTAIN}")
    for key in ("strength", "learned_at_most", "half_life_days"):
        if not numbers["priors"][key] > 0:
            raise sheet.refuse(("priors", key), f"{key} must be above 0")
    for key, value in numbers["verdict"].items():
        if not 0 < value < 1:
            raise sheet.refuse(("verdict", key), f"{key} must lie between 0 and 1")
    if not 0 < numbers["caps"]["shrink"] <= 0.5:
        # Above one half a weaker sign could push out more than it brings.
        raise sheet.refuse(("caps", "shrink"), "shrink must be above 0 and at most 0.5")


def _merge_signals(sheets: Sequence[Sheet], cap: float) -> dict[str, Signal]:
    merged: dict[str, Signal] = {}
    for sheet in sheets:
        for family in sheet.table("signal"):
            if family not in FAMILIES:
                raise sheet.refuse(
                    ("signal", family), f"family {family!r} is none of {', '.join(FAMILIES)}"
                )
            for word in sheet.table("signal", family):
                path = ("signal", family, word)
                merged[f"{family}.{word}"] = _signal(sheet, path, merged, cap)
    return merged


def _signal(
    sheet: Sheet, path: tuple[str, str, str], known: Mapping[str, Signal], cap: float
) -> Signal:
    name = f"{path[1]}.{path[2]}"
    entry = sheet.table(*path)
    for key in entry:
        if key not in _SIGNAL_KEYS:
            raise sheet.refuse(
                (*path, key), f"{key!r} is none of {', '.join(sorted(_SIGNAL_KEYS))}"
            )
    old = known.get(name)
    if old is None and not (
        sheet.is_packaged or (path[1] == "timing" and "below_seconds" in entry)
    ):
        near = ", ".join(n for n in known if n.startswith(path[1] + "."))
        raise sheet.refuse(path, f"no signal is called {name!r}; of this family there are {near}")
    if old is None:
        old = Signal(name, path[1], 0.0, "{delay} after delivery", SITE, "", None, 0.0, sheet.file)
    weight = old.weight
    if "ratio" in entry:
        weight = max(-cap, min(cap, math.log(_ratio(sheet, (*path, "ratio"), entry["ratio"]))))
    return replace(
        old,
        weight=weight,
        text=_template(sheet, (*path, "text"), entry.get("text", old.text)),
        source=str(entry.get("source", old.source if sheet.is_packaged else SITE)),
        as_of=_date(sheet, (*path, "as_of"), entry.get("as_of", old.as_of)),
        actor=_actor(sheet, (*path, "actor"), entry.get("actor", old.actor)),
        below_seconds=_number(
            sheet, (*path, "below_seconds"), entry.get("below_seconds", old.below_seconds)
        ),
        file=sheet.file,
    )


def _ratio(sheet: Sheet, path: Sequence[str], value: object) -> float:
    try:
        above, _, below = str(value).partition("/")
        ratio = float(above) / float(below or 1)
        if isinstance(value, bool) or not 0 < ratio < math.inf:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise sheet.refuse(
            path, f'ratio {value!r} must be a number above 0 or a fraction such as "1/20"'
        ) from None
    return ratio


def _template(sheet: Sheet, path: Sequence[str], text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise sheet.refuse(path, "the text must be a sentence, since every number has its reason")
    # A remembered judgement is told with a new delay, and with nothing else new.
    names = ("delay",) if path[1] == "timing" else ("client", "network", "method", "detail")
    try:
        fields = [piece[1:] for piece in Formatter().parse(text) if piece[1] is not None]
    except ValueError as error:
        raise sheet.refuse(path, f"the text may name {', '.join(names)}: {error}") from None
    for name, shape, conversion in fields:
        if name not in names or shape or conversion:  # a width could fill the memory
            raise sheet.refuse(path, f"the text may name {', '.join(names)}, and no {name!r}")
    return text


def _date(sheet: Sheet, path: Sequence[str], value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and re.fullmatch(r"(\d{4}-\d\d-\d\d)?", value):
        return value
    raise sheet.refuse(path, f"as_of {value!r} must be a date such as 2026-11-22")


def _actor(sheet: Sheet, path: Sequence[str], value: object) -> Actor | None:
    if value is None:
        return None
    known = [actor.value for actor in Actor if actor is not Actor.HUMAN]
    if value not in known:  # whom a signal blames, so no person
        raise sheet.refuse(path, f"actor {value!r} is none of {', '.join(known)}")
    return Actor(str(value))


def _roles(sheet: Sheet, signals: Mapping[str, Signal]) -> dict[str, tuple[Signal, Signal]]:
    return {
        role: (signals[entry["open"]], signals[entry["click"]])
        for role, entry in sheet.table("roles").items()
    }

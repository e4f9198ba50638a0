"""Published lists of networks: read, checked, kept, and aged.

Fetching is the caller's; this module turns bytes into prefixes, refuses what cannot be right, and
keeps the last good list of each name in a directory.  A list that has grown old counts for less.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from .networks import NetworkTable
from .tables import read_table

__all__ = [
    "BadList",
    "KeptList",
    "ListSource",
    "add_lists",
    "keep_list",
    "kept_lists",
    "list_sources",
]

_Prefix: TypeAlias = IPv4Network | IPv6Network

_MOST_BYTES = 64 << 20  # Apple's list, the largest, had 12 MB in 2026
_MOST_PREFIXES = 400_000
_WIDEST = {4: 8, 6: 16}  # bits; a wider prefix holds a good part of the Internet
_SHRUNK = 0.5  # a list that lost half of its prefixes since the last time is taken for broken
_EOP_SETS = frozenset({9, 10})  # Microsoft's numbers for Exchange Online Protection
_SUFFIX = ".list"
_FRESH_DAYS, _STALE_DAYS = 30, 180  # assumed: Apple's list changed every few weeks in 2026
_STALE_SHARE = 0.25  # of its weight, that a stale list's signal keeps


class BadList(InputError):
    """A list of networks cannot be what its owner publishes; the last good one stays."""

    id = "bad-network-list"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSource:
    """Where a list is published and what it says."""

    name: str
    url: str
    format: str  # lines, google, microsoft, aws
    owner: str
    role: str
    least: int  # prefixes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptList:
    """The last good copy of a list."""

    source: ListSource
    fetched_at: datetime
    prefixes: tuple[str, ...]

    def age_days(self, now: datetime) -> float:
        """How old the copy is."""
        return (now - self.fetched_at).total_seconds() / 86_400

    def fresh_share(self, now: datetime) -> float:
        """What share of its weight the list's signal keeps: 1 when fresh, a quarter when stale."""
        late = (self.age_days(now) - _FRESH_DAYS) / (_STALE_DAYS - _FRESH_DAYS)
        return round(1 - (1 - _STALE_SHARE) * min(max(late, 0.0), 1.0), 2)


def list_sources() -> tuple[ListSource, ...]:
    """The lists that we know, from `data/lists.tsv`."""
    text = (files(__package__) / "data" / "lists.tsv").read_text(encoding="utf-8")
    return tuple(
        ListSource(
            name=row["name"],
            url=row["url"],
            format=row["format"],
            owner=row["owner"],
            role=row["role"],
            least=int(row["least"]),
        )
        for row in read_table(text, "lists.tsv")
    )


def keep_list(
    source: ListSource, contents: Sequence[bytes], directory: Path, fetched_at: datetime
) -> KeptList:
    """Check what was fetched and make it the last good list; on disk when this returns.

    Several `contents` are parts of one list.  Raises BadList, and changes nothing, when a part
    cannot be read, the whole is too small, far smaller than the last one, or far too wide.
    """
    found: list[_Prefix] = []
    for content in contents:
        if len(content) > _MOST_BYTES:
            raise BadList(f"{source.name}: {len(content)} bytes are more than any such list has")
        found.extend(_parsed(source, content))
    prefixes = _checked(source, found, directory)
    kept = KeptList(source=source, fetched_at=fetched_at, prefixes=prefixes)
    _write(kept, directory)
    return kept


def kept_lists(directory: Path) -> list[KeptList]:
    """The last good lists of a directory; a file that cannot be read is as one that is not there.

    A missing directory holds none: the packaged facts stand alone then.
    """
    return [kept for source in list_sources() if (kept := _read(source, directory)) is not None]


def add_lists(table: NetworkTable, lists: Iterable[KeptList], now: datetime) -> None:
    """Put kept lists into a table, each with the weight that its age leaves it."""
    for kept in lists:
        source = kept.source
        network = table.network(source.owner, source.role, kept.fresh_share(now))
        table.add_list(kept.prefixes, network)


def _parsed(source: ListSource, content: bytes) -> list[_Prefix]:
    try:
        texts = list(_FORMATS[source.format](content.decode("utf-8-sig")))
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadList(f"{source.name}: this is no {source.format} list: {error!r}") from error
    if len(texts) > _MOST_PREFIXES:
        raise BadList(f"{source.name}: {len(texts)} prefixes are more than any such list has")
    prefixes = []
    for text in texts:
        try:
            prefixes.append(ip_network(text))
        except ValueError as error:
            raise BadList(f"{source.name}: {text[:60]!r} is no prefix: {error}") from error
    return prefixes


def _checked(source: ListSource, found: list[_Prefix], directory: Path) -> tuple[str, ...]:
    for prefix in found:
        if prefix.prefixlen < _WIDEST[prefix.version] or not prefix.is_global:
            raise BadList(f"{source.name}: {prefix} cannot be on such a list")
    if len(found) < source.least:
        raise BadList(f"{source.name}: {len(found)} prefixes are fewer than {source.least}")
    merged = tuple(
        str(prefix)
        for prefix in (
            *collapse_addresses(p for p in found if isinstance(p, IPv4Network)),
            *collapse_addresses(p for p in found if isinstance(p, IPv6Network)),
        )
    )
    last = _read(source, directory)
    if last is not None and len(merged) < _SHRUNK * len(last.prefixes):
        raise BadList(
            f"{source.name}: {len(merged)} prefixes, where the last list had "
            f"{len(last.prefixes)}; remove {directory / (source.name + _SUFFIX)} if that is right"
        )
    return merged


def _write(kept: KeptList, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    place = directory / (kept.source.name + _SUFFIX)
    fresh = place.with_suffix(".new")
    lines = [kept.fetched_at.astimezone(UTC).isoformat(), *kept.prefixes]
    with fresh.open("w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)  # whoever reads sees the old list or the new one, whole


def _read(source: ListSource, directory: Path) -> KeptList | None:
    try:
        first, *rest = (directory / (source.name + _SUFFIX)).read_text("ascii").split()
        fetched_at = datetime.fromisoformat(first)
        for prefix in rest:
            ip_network(prefix)
    except (OSError, ValueError):
        return None
    return KeptList(source=source, fetched_at=fetched_at, prefixes=tuple(rest))


def _of_lines(text: str) -> Iterable[str]:
    """One prefix a line, or in the first column; comments begin with #."""
    for row in csv.reader(io.StringIO(text)):
        if row and row[0].strip() and not row[0].startswith("#"):
            yield row[0].strip()


def _of_google(text: str) -> Iterable[str]:
    for entry in json.loads(text)["prefixes"]:
        yield entry["ipv4Prefix"] if "ipv4Prefix" in entry else entry["ipv6Prefix"]


def _of_microsoft(text: str) -> Iterable[str]:
    entries: list[Mapping[str, Any]] = json.loads(text)  # Any: a stranger's file
    for entry in entries:
        if entry["id"] in _EOP_SETS:
            yield from entry.get("ips", ())


def _of_aws(text: str) -> Iterable[str]:
    data = json.loads(text)
    for entry in data["prefixes"]:
        yield entry["ip_prefix"]
    for entry in data["ipv6_prefixes"]:
        yield entry["ipv6_prefix"]


_FORMATS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "lines": _of_lines,
    "google": _of_google,
    "microsoft": _of_microsoft,
    "aws": _of_aws,
}

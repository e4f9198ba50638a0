"""The kill switch: what a sender stops at once, without touching a message already sent.

A text file, one rule a line, `#` begins a comment; read at start and when told to reload:

    url https://shop.example/sale      links to exactly this destination
    domain shop.example                links to this host and those below it
    delivery 123                       links of one delivery
    delivery 100-200                   links of a range of deliveries: of one message
    untracked 123                      hits of this delivery are answered and not recorded

A link that is held back leads to a page that shows its destination and says so.

Recipients who said no on their notice page stand in a file of their own, one delivery a line,
synced before they are told that it is done: a restart must not forget them.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ConfigurationError

__all__ = ["KillSwitch"]

log = logging.getLogger("mailglass.collector")


class KillSwitch:
    """The rules as last read."""

    def __init__(self, file: Path | None, objections: Path) -> None:
        """`objections` is written by us and need not exist.

        Raises ConfigurationError when a file cannot be read or understood.
        """
        self._file = file
        self._objections = objections
        self._objected = {int(n) for n in _lines_of(objections) if n.isdecimal()}
        self._read()

    def reload(self) -> None:
        """Read the file again; one that is not understood leaves the rules as they are."""
        try:
            self._read()
        except ConfigurationError as error:
            log.error("kept the old rules: %s", error, extra={"action": "kill-switch-refused"})

    def holds_back(self, to: str, delivery_id: int) -> bool:
        """Whether a link is stopped."""
        if not (self._urls or self._domains or self._ranges):
            return False
        return (
            to in self._urls or self._is_in_range(delivery_id) or self._is_in_domain(_host_of(to))
        )

    def object(self, delivery_id: int) -> None:
        """Record nothing more of a delivery: its recipient said no. Raises OSError.

        When the disk fails it holds until a restart, and the recipient is told to ask again.
        """
        if delivery_id in self._objected:
            return
        self._objected.add(delivery_id)
        with self._objections.open("a") as file:
            file.write(f"{delivery_id}\n")
            file.flush()
            os.fsync(file.fileno())

    def is_untracked(self, delivery_id: int) -> bool:
        return delivery_id in self._objected or delivery_id in self._untracked

    def _read(self) -> None:
        lines = [] if self._file is None else _lines_of(self._file)
        urls, domains, untracked, ranges = set(), set(), set(), []
        faults = []
        for number, line in enumerate(lines, 1):
            word, _, value = line.partition("#" if line.startswith("#") else " ")
            value = value.strip()
            try:
                if word == "url":
                    urls.add(value)
                elif word == "domain":
                    domains.add(value.lower().rstrip("."))
                elif word == "delivery":
                    first, _, last = value.partition("-")
                    ranges.append((int(first), int(last or first)))
                elif word == "untracked":
                    untracked.add(int(value))
                elif word:
                    raise ValueError(f"no rule begins with {word!r}")
            except ValueError as error:
                faults.append(f"{self._file}, line {number}: {error}")
        if faults:
            raise ConfigurationError("\n".join(faults))
        self._urls, self._domains, self._untracked = urls, domains, untracked
        self._ranges = _merged(ranges)

    def _is_in_range(self, delivery_id: int) -> bool:
        position = bisect_right(self._ranges, (delivery_id, 1 << 63)) - 1
        return position >= 0 and delivery_id <= self._ranges[position][1]

    def _is_in_domain(self, host: str) -> bool:
        while host:
            if host in self._domains:
                return True
            host = host.partition(".")[2]
        return False


def _lines_of(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the kill switch file cannot be read: {error}") from error


def _host_of(to: str) -> str:
    try:
        return (urlsplit(to).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, overlapping ones joined."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged

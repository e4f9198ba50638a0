"""Hosts of which the rules know more than their name: shorteners and mailbox providers."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

__all__ = ["hosts_of_kind"]


@cache
def hosts_of_kind(kind: str) -> frozenset[str]:
    """The hosts of one kind of data/hosts.tsv."""
    text = files(__package__).joinpath("data/hosts.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return frozenset(row["host"] for row in rows if row["kind"] == kind)

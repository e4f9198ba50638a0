"""Reads the room's tables: tab-separated, one header line, `#` before a remark."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["read_table"]


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of the table `name`, which lies beside this module, each by its column's name."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]

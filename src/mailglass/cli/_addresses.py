"""Options that take a mail address."""

from __future__ import annotations

import click

from ..guard.address import is_address

__all__ = ["ADDRESS"]


class _Address(click.ParamType[str]):
    """A bare address: it is looked for in URLs, or mail goes to it."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = value.strip()
        if not is_address(text):
            self.fail(f"{value!r} is no address such as me@example.org", param, ctx)
        return text


ADDRESS = _Address()

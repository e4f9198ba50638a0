"""The public face: every name that a package or module of ours offers stands in public-names.txt.

A name that appears or disappears is a decision, so it shows in a diff of that file.
`python tests/test_public_names.py` writes it anew.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import mailglass

LIST = Path(__file__).parent / "public-names.txt"


def public_names() -> list[str]:
    """What the top-level rooms offer; what lies deeper is their own affair."""
    names = []
    for module in pkgutil.iter_modules(mailglass.__path__):
        if module.name != "__main__":
            face = importlib.import_module(f"mailglass.{module.name}")
            names += [f"mailglass.{module.name}.{name}" for name in face.__all__]
    return sorted(names)


def test_the_public_names_are_those_on_the_list() -> None:
    assert public_names() == LIST.read_text().splitlines()


def test_every_public_name_exists_and_says_what_it_is() -> None:
    for name in public_names():
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name} has no docstring"


if __name__ == "__main__":
    LIST.write_text("\n".join(public_names()) + "\n")

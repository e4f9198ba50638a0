"""What can be named has an entry in the reference, and the entry is what the records say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mailglass.model import EventType

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page", ["commands.md", "settings.md", "events.md", "errors.md", "findings.md"]
)
def test_the_reference_says_what_the_records_say(generate: ModuleType, page: str) -> None:
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert written == generate.pages()[page], "run `make docs`"


def test_every_error_has_an_id_of_its_own_and_a_sentence(generate: ModuleType) -> None:
    errors = generate.all_errors()
    assert len({kind.id for kind in errors}) == len(errors)
    assert all(kind.__doc__ for kind in errors)


def test_every_event_has_a_sentence(generate: ModuleType) -> None:
    assert set(generate.SENTENCES) == set(EventType)

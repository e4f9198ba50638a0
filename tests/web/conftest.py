"""Passwords in these tests are hashed quickly: what a hash costs is argon2's own business."""

from __future__ import annotations

from collections.abc import Iterator

import argon2
import pytest

from mailglass.history import credentials


@pytest.fixture(autouse=True, scope="session")
def quick_hashes() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch.setattr(credentials, "_hasher", quick)
    yield
    patch.undo()

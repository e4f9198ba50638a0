"""The API as the tests of this folder use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_house import ApiHouse
from starlette.testclient import TestClient


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    return ApiHouse(tmp_path)


@pytest.fixture
def client(house: ApiHouse) -> TestClient:
    return house.client()

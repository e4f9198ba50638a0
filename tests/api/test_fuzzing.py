"""Whatever the OpenAPI document allows, and much that it does not: never a fault of ours.

Schemathesis makes requests from the document and holds the answers against it: no 5xx, only
statuses, content types and bodies that the document names. The requests run in this process, over a
history that has something of every kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import schemathesis
from api_house import ApiHouse
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_access import fill

from mailglass.web import create_api

EXAMPLES = 8  # a route; `make soak` makes 300

load_all_checks()


@schemathesis.serializer("message/rfc822")
def whole_message(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


DOCUMENT = create_api(cast("Any", SimpleNamespace(max_message_bytes=1))).openapi()
# The stream is endless by its nature; test_streaming reads it.
OPERATIONS = [
    (path, method)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if path != "/events/stream"
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def schema(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    address = None
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres").new_database()
    house = ApiHouse(tmp_path_factory.mktemp("fuzzing"), address=address)
    fill(house)
    found = schemathesis.openapi.from_asgi("/api/v1/openapi.json", house.app)
    found.new_key = house.key
    found.key = house.key()
    yield found
    house.history.close()


def ask(schema: Any, path: str, method: str, examples: int) -> None:
    """Put `examples` requests to one operation."""

    @given(case=schema[path][method].as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=examples == EXAMPLES,
        database=None,
    )
    def check(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {schema.key}"})
        if answer.status_code == 401:  # a request before this one revoked the key itself
            schema.key = schema.new_key()
            answer = case.call(headers={"Authorization": f"Bearer {schema.key}"})
        assert answer.status_code != 401, "the key itself was revoked, so nothing was tested"
        case.validate_response(answer, checks=CHECKS)

    check()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_makes_a_fault_of_ours(schema: Any, path: str, method: str) -> None:
    ask(schema, path, method, EXAMPLES)


@pytest.mark.soak
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_of_many_makes_a_fault_of_ours(schema: Any, path: str, method: str) -> None:
    ask(schema, path, method, 300)

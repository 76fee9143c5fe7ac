"""The description of the interface is true: it names every path, and schemathesis finds no answer against it."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, given, settings

EXAMPLES = 12
"""Requests for each path: so many that the description allows, and so many that it does not."""

UNTRUE = {
    # A text that the schema allows may hold nothing that can be spoken, such as one space: the answer is 400.
    "positive_data_acceptance",
}
KEY = "a key for tests"


@pytest.fixture(scope="module")
def served(serve_module: Any) -> Any:
    return serve_module(key=KEY)


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_it_names_every_path_and_method_and_only_those(served: Any) -> None:
    document = json.loads(served.ask("GET", "/openapi.json")[2])
    routes = get_openapi(title="", version="", routes=served.app.routes)["paths"]
    pages = {path for path in routes if path == "/" or path.startswith("/page/") or f"/page{path}" in routes}
    assert {path: set(found) for path, found in document["paths"].items()} == {
        path.replace(":path", ""): set(found) - {"head"} for path, found in routes.items() if path not in pages
    }


def test_without_a_key_it_asks_for_none(tone: Any, serve: Any) -> None:
    document = json.loads(serve().ask("GET", "/openapi.json")[2])
    assert "securitySchemes" not in document["components"]
    assert all("security" not in operation for path in document["paths"].values() for operation in path.values())


@pytest.mark.slow
def test_no_answer_contradicts_it(served: Any) -> None:
    import schemathesis  # half a second, so not while tests are collected
    from schemathesis import GenerationMode
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in UNTRUE]
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {"POST /v1/audio/speech", "GET /v1/audio/voices"} < {operation.label for operation in operations}

    for operation, mode in product(operations, GenerationMode):
        if mode.is_negative and not operation.body and not operation.path_parameters:
            continue  # nothing in it can be wrong

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.call_and_validate(checks=checks, headers={"Authorization": f"Bearer {KEY}"})

        ask()

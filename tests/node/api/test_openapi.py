"""The OpenAPI document says of every operation what it needs, what it is called, and how it can fail."""

from typing import Any

import pytest

from support.api import WholeNode
from traco.node.api.problems import PROBLEM_TYPE

OPEN = {
    "/v1/status", "/v1/genesis", "/v1/health/live", "/v1/health/ready", "/v1/light/head", "/v1/light/blocks/{height}",
    "/v1/light/seal", "/v1/light/engine/{method}",
}  # fmt: skip


@pytest.fixture(scope="module")
def document(node: WholeNode) -> Any:
    return node.client.get("/v1/openapi").json()


def operations(document: Any) -> list[tuple[str, Any]]:
    return [(path, operation) for path, item in document["paths"].items() for operation in item.values()]


def test_it_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: Any) -> None:
    found = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(found)) == len(found)
    assert all(operation["summary"] for _, operation in operations(document))


def test_every_operation_but_the_open_ones_needs_an_access_token(document: Any) -> None:
    assert document["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"
    for path, operation in operations(document):
        assert operation["security"] == ([] if path in OPEN else [{"accessToken": []}]), path


def test_every_operation_names_its_problems(document: Any) -> None:
    assert set(document["components"]["schemas"]["Problem"]["required"]) >= {"code", "detail", "status"}
    for path, operation in operations(document):
        failing = {status: each for status, each in operation["responses"].items() if status >= "400"}
        assert {"400", "403", "429", "500", "503"} <= failing.keys(), path
        assert ("401" in failing) == (path not in OPEN), path
        for status in failing.keys() - {"422"}:
            assert failing[status]["content"].keys() == {PROBLEM_TYPE}, (path, status)


@pytest.mark.parametrize("path", ["/v1/parties", "/v1/instruments", "/v1/accounts/{identity}/holdings"])
def test_pages_have_bounds_in_their_parameters(document: Any, path: str) -> None:
    parameters = {each["name"]: each["schema"] for each in document["paths"][path]["get"]["parameters"]}
    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"]) == (1, 1_000)
    assert parameters["after"]["maxLength"] == 80


def test_the_stream_is_described(document: Any) -> None:
    stream = document["paths"]["/v1/events"]["get"]
    assert {each["name"] for each in stream["parameters"]} == {
        "after", "type", "party", "account", "Last-Event-ID",
    }  # fmt: skip
    assert "text/event-stream" in stream["responses"]["200"]["content"]


def test_how_far_a_transaction_came_is_described(document: Any) -> None:
    responses = document["paths"]["/v1/transactions"]["post"]["responses"]
    for status in ("200", "202", "422"):
        assert "application/json" in responses[status]["content"], status


def test_what_is_submitted_is_described_as_bytes(document: Any) -> None:
    for path in ("/v1/transactions", "/v1/transactions/batch"):
        assert "application/octet-stream" in document["paths"][path]["post"]["requestBody"]["content"], path


def test_the_genesis_document_is_described_as_an_object(document: Any) -> None:
    content = document["paths"]["/v1/genesis"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["type"] == "object"

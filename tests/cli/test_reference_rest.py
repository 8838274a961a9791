"""The page of REST is complete: every route of the OpenAPI document, every code that the interface raises."""

import re
from pathlib import Path

import pytest

from traco.cli.reference_rest import PROBLEMS, WHO, rest_page
from traco.node.api.admission import Admits
from traco.projections.errors import ProjectionError
from traco.services.doc import service

API = Path(__file__).parents[2] / "src" / "traco" / "node" / "api"
CHANNELS = tuple(
    path
    for folder in (API.parent / "channels", API.parents[1] / "channels" / "seat")
    for path in folder.glob("*.py")
) + tuple(API.glob("channel*.py"))
"""Whose words the interface hands on."""
TOKENS = API.parents[1] / "client" / "access.py"
FAMILIES = "access|request|report|limit|object|block|receipt|projections|explorer|transaction|fingerprint|node|channels"
CODE = re.compile(rf'"((?:{FAMILIES})\.[a-z_]+)"')
NOT_ANSWERS = {"node.tls_required", "node.tls_unusable"}  # why a node does not start
WRITING = {
    "projections.failed",
    "projections.address_invalid",
    "projections.position_moved",
}  # of the projector


@pytest.fixture(scope="module")
def page() -> str:
    return "\n".join(rest_page(""))


def test_every_code_that_the_interface_raises_is_on_the_page() -> None:
    found = {
        code for path in (*API.glob("*.py"), TOKENS) for code in CODE.findall(path.read_text())
    } - NOT_ANSWERS
    for path in CHANNELS:  # of whose names of queries begin so, too
        raised = r'(?:SubmissionRefused\(|Undisclosable\(|Denied\(|Problem\(\s*[0-9]{3},)\s*"([a-z_.]+)"'
        found |= set(re.findall(raised, path.read_text()))
    found |= set(re.findall(r'"(fingerprint\.[a-z_]+)"', Path(service.__file__).read_text()))
    found |= {kind.code for kind in ProjectionError.__subclasses__()} - WRITING
    assert found == PROBLEMS.keys()


def test_codes_stand_with_the_status_that_they_are_answered_with() -> None:
    raised = re.compile(rf'Problem\(\s*([0-9]{{3}}), "((?:{FAMILIES})\.[a-z_]+)"')
    found = {
        (code, int(status)) for path in API.glob("*.py") for status, code in raised.findall(path.read_text())
    }
    assert len(found) > 5
    assert sorted(found - {(code, status) for code, (status, _) in PROBLEMS.items()}) == []


def test_whoever_a_route_admits_is_explained() -> None:
    assert list(WHO) == [whom.value for whom in Admits]


@pytest.mark.parametrize(
    "row",
    [
        "| [`GET /v1/status`](#get-v1status) | `everybody` |",
        "| [`POST /v1/transactions`](#post-v1transactions) | `submitter` |",
        "| [`GET /v1/events`](#get-v1events) | `principal` |",
        "| [`GET /v1/reports/reconcile`](#get-v1reportsreconcile) | `auditor` |",
        "| [`GET /v1/health/progress`](#get-v1healthprogress) | `operator` |",
    ],
)
def test_a_route_stands_with_those_who_may_ask_it(row: str, page: str) -> None:
    assert row in page


def test_every_route_of_the_table_has_its_parameters_below(page: str) -> None:
    linked = set(re.findall(r"\(#([a-z0-9_-]+)\)", page))
    below = {
        re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^### (.*)$", page, re.MULTILINE)
    }
    assert linked == below

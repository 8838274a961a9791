"""Health, progress and metrics over HTTP, and what is noted about every request."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.testing import TestClient

from traco.node.api.admission import Admits, admitted
from traco.node.api.guard import Guard
from traco.node.api.observing import Observed, observe
from traco.node.api.operations import MetricsOnly, Operations, operations_routes
from traco.node.api.problems import HANDLERS
from traco.node.configuration import HealthConfig
from traco.node.figures import Figures, Meter, Occupancy
from traco.node.health import Watch
from traco.node.link import LedgerGone
from traco.node.logs import JsonLines
from traco.node.metrics import NO_ROUTE, ApiMeter

EMPTY = Occupancy(on_way=0, ready=0, ready_bytes=0, outbox=0, verifying=0, oldest_ms=0, is_full=False)


class Setting(NamedTuple):
    """A small application with the routes, over a ledger process that the test turns off."""

    client: TestClient[Litestar]
    meter: ApiMeter
    operations: Operations
    turn_off: Callable[[], None]


@get("/v1/things/{name:str}")
async def thing(name: FromPath[str]) -> str:
    return name


@get("/v1/events")
async def events() -> Stream:
    return Stream(iter([b"id: 1\n\n"]), media_type="text/event-stream")


@post("/v1/broken")
async def broken() -> None:
    raise LookupError("planted")


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    gone: list[bool] = []

    async def figures() -> Figures:
        if gone:
            raise LedgerGone
        return Meter().figures(7, 0, 3, 0, EMPTY)

    meter = ApiMeter()
    operations = Operations(Watch(tmp_path, HealthConfig(free_bytes=1), figures, lambda: 7), meter)
    routes: list[Any] = [*operations_routes(operations, True), thing, events, broken]
    app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None)
    observe(app, meter, log_access=True)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield Setting(client, meter, operations, lambda: gone.append(True))


def counted(setting: Setting, name: str, **labels: str) -> float:
    return setting.meter.registry.get_sample_value(name, labels) or 0.0


def test_a_process_that_answers_is_live_whatever_else_is_wrong(setting: Setting) -> None:
    setting.turn_off()
    answer = setting.client.get("/v1/health/live")
    assert (answer.status_code, answer.json()) == (200, {"live": True})


def test_a_node_is_ready_until_its_ledger_process_is_gone(setting: Setting) -> None:
    assert setting.client.get("/v1/health/ready").status_code == 200
    setting.turn_off()
    answer = setting.client.get("/v1/health/ready")
    assert answer.status_code == 503
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["ledger.gone"]


def test_progress_is_for_operators_and_answers_also_without_the_ledger(setting: Setting) -> None:
    assert setting.client.get("/v1/health/progress").json()["ledger"]["height"] == 7
    setting.turn_off()
    assert setting.client.get("/v1/health/progress").json()["ledger"] is None


def test_metrics_are_in_prometheus_text(setting: Setting) -> None:
    answer = setting.client.get("/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "\ntraco_height 7.0\n" in answer.text


def test_each_route_says_whom_it_admits(setting: Setting) -> None:
    found = {
        path: admitted(handler.opt)
        for handler in operations_routes(setting.operations, True)
        for path in handler.paths
    }
    assert found == {
        "/v1/health/live": Admits.EVERYBODY, "/v1/health/ready": Admits.EVERYBODY,
        "/v1/health/progress": Admits.OPERATOR, "/v1/metrics": Admits.OPERATOR,
    }  # fmt: skip


def test_without_metrics_there_is_no_route_for_them(setting: Setting) -> None:
    assert len(operations_routes(setting.operations, False)) == 3


def test_the_port_for_prometheus_serves_metrics_and_nothing_else(setting: Setting) -> None:
    app: Any = Guard(MetricsOnly(setting.operations))

    async def work() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert "traco_ready 1.0" in (await client.get("/metrics")).text
            assert (await client.get("/v1/health/progress")).json()["code"] == "http.404"
            assert (await client.post("/metrics")).status_code == 404
            assert (await client.get("/metrics", headers={"host": "example.com"})).status_code == 403

    asyncio.run(work())


def test_a_correlation_id_is_returned_and_made_where_none_is_given(setting: Setting) -> None:
    answer = setting.client.get("/v1/things/a", headers={"X-Request-Id": "my-own-1"})
    assert answer.headers["x-request-id"] == "my-own-1"
    made = [setting.client.get("/v1/things/a").headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]


def test_a_correlation_id_that_is_none_is_replaced(setting: Setting) -> None:
    answer = setting.client.get("/v1/things/a", headers={b"X-Request-Id": b"a b\xe9"})
    assert " " not in answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "method"), [("/nowhere", "GET"), ("/v1/broken", "POST"), ("/v1/things/a", "DELETE")]
)
def test_a_problem_names_the_request_it_belongs_to(setting: Setting, path: str, method: str) -> None:
    answer = setting.client.request(method, path, headers={"X-Request-Id": "abc"})
    assert (answer.headers["x-request-id"], answer.json()["request_id"]) == ("abc", "abc")


def test_requests_count_by_route_template_and_never_by_path(setting: Setting) -> None:
    setting.client.get("/v1/things/a")
    setting.client.get("/v1/things/b?secret=1")
    setting.client.get("/forged/path")
    template = "/v1/things/{name}"
    assert counted(setting, "traco_api_requests_total", method="GET", route=template, status="200") == 2
    assert counted(setting, "traco_api_requests_total", method="GET", route=NO_ROUTE, status="404") == 1
    assert counted(setting, "traco_api_requests_in_progress") == 0


def test_a_stream_is_counted_as_one(setting: Setting) -> None:
    assert setting.client.get("/v1/events").status_code == 200
    assert counted(setting, "traco_api_requests_total", method="GET", route="/v1/events", status="200") == 1
    assert counted(setting, "traco_api_request_seconds_count", method="GET", route="/v1/events") == 0
    assert setting.meter.streams == 0


def test_an_access_line_has_route_status_time_and_party_and_no_query(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "traco.access"):
        setting.client.get("/v1/things/a?token=planted", headers={"Authorization": "Bearer planted"})
    (entry,) = [record for record in caplog.records if record.name == "traco.access"]
    assert entry.getMessage().startswith("GET /v1/things/{name} 200 ")
    line = JsonLines().format(entry)
    assert '"status":200' in line
    assert '"party":"-"' in line
    assert "planted" not in line


def test_an_answer_that_was_given_up_is_counted_with_status_zero() -> None:
    meter = ApiMeter()

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    async def work() -> None:
        scope: Any = {"type": "http", "method": "GET", "headers": []}
        unused: Any = None
        with pytest.raises(asyncio.CancelledError):
            await Observed(never, meter)(scope, unused, unused)

    asyncio.run(work())
    labels = {"method": "GET", "route": NO_ROUTE, "status": "0"}
    assert meter.registry.get_sample_value("traco_api_requests_total", labels) == 1
    assert meter.registry.get_sample_value("traco_api_requests_in_progress") == 0

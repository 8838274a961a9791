"""The routes for whoever runs the node: live, ready, progress, metrics."""

import asyncio
from typing import Any, Final

from litestar import Response, get
from litestar.types import Receive, Scope, Send

from traco.node.api.admission import Admits, admits
from traco.node.api.problems import problem_response
from traco.node.health import Watch, judge, progress, readiness
from traco.node.metrics import CONTENT_TYPE, ApiMeter, exposition

METRICS_PATH: Final = "/metrics"
LOOKS: Final = 4  # at once; the loopback port for Prometheus knows no rate limit


class Operations:
    """What the routes answer."""

    def __init__(self, watch: Watch, meter: ApiMeter) -> None:
        self._watch, self._meter = watch, meter
        self._looks = asyncio.Semaphore(LOOKS)

    async def ready(self) -> dict[str, Any]:
        """Whether the node is ready, and why not."""
        return readiness(await self._watch.health())

    async def progress(self) -> dict[str, Any]:
        """Where everything stands."""
        seen = await self._watch.look()
        return progress(seen, judge(seen, self._watch.limits), self._watch.directory, self._meter.streams)

    async def metrics(self) -> bytes:
        """The text that Prometheus reads."""
        async with self._looks:
            seen = await self._watch.look()
            health = judge(seen, self._watch.limits)
            return await asyncio.to_thread(exposition, self._meter, seen, health, self._watch.directory)


def operations_routes(operations: Operations, has_metrics: bool) -> list[Any]:
    """The routes."""

    @get(
        "/v1/health/live", opt=admits(Admits.EVERYBODY), summary="Whether the node's interface answers at all"
    )
    async def live() -> dict[str, Any]:
        return {"live": True}

    @get(
        "/v1/health/ready", opt=admits(Admits.EVERYBODY),
        summary="Whether the node can take and answer business: 200, or 503 with a code for each reason",
    )  # fmt: skip
    async def ready() -> Response[dict[str, Any]]:
        answer = await operations.ready()
        return Response(answer, status_code=200 if answer["ready"] else 503)

    @get(
        "/v1/health/progress", opt=admits(Admits.OPERATOR),
        summary="Where everything stands: height, queues, ages, alarms, projections, streams, files",
    )  # fmt: skip
    async def where() -> dict[str, Any]:
        return await operations.progress()

    @get(
        "/v1/metrics", opt=admits(Admits.OPERATOR), summary="Figures for Prometheus", media_type="text/plain"
    )
    async def metrics() -> Response[bytes]:
        return Response(await operations.metrics(), media_type=CONTENT_TYPE)

    return [live, ready, where, *([metrics] if has_metrics else [])]


class MetricsOnly:
    """ASGI application of the loopback port for Prometheus: ``GET /metrics``, and nothing else."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: Response[bytes]
        if scope.get("method") != "GET" or scope["path"] != METRICS_PATH:
            answer = problem_response(404, "http.404", f"only GET {METRICS_PATH} is served on this port")
        else:
            answer = Response(await self._operations.metrics(), media_type=CONTENT_TYPE)
        await answer.to_asgi_response(app=None, request=None)(scope, receive, send)  # type: ignore[arg-type]

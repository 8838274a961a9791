"""Traces: request, submission and block belong together; without an endpoint nothing is imported; without packages it is said."""

import asyncio
import builtins
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.gateway import Office
from support.memory_store import MemoryStore
from traco.node.api.observing import Observed
from traco.node.configuration import ConfigurationInvalid, TracingConfig
from traco.node.link import ApiEnd, LedgerEnd, Sealed
from traco.node.metrics import ApiMeter
from traco.node.spans import SpanTracer
from traco.node.tracing import NO_TRACES, make_tracer

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SCOPE: dict[str, Any] = {
    "type": "http", "method": "POST", "path_template": "/v1/transactions",
    "headers": [(b"x-request-id", b"abc"), (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())],
}  # fmt: skip


def tracer(exporter: InMemorySpanExporter, process: str) -> SpanTracer:
    return SpanTracer(SimpleSpanProcessor(exporter), process, "1")


async def unsealed(_: int) -> Sealed:
    return Sealed(b"", 0, 0, 0)


async def nothing(_: Any) -> None:
    return


def submitted(office: Office, exporter: InMemorySpanExporter) -> Sequence[ReadableSpan]:
    """One transaction by way of the interface, the link and a block; the spans that were made."""

    async def work() -> None:
        near, far = socket.socketpair()
        api, ledger = tracer(exporter, "api"), tracer(exporter, "ledger")
        office.gateway.tracer = ledger
        end = LedgerEnd(office.gateway, unsealed, office.figures, tracer=ledger)
        serving = asyncio.create_task(end.serve(near))
        link = ApiEnd()
        link.trace = api.context
        await link.connect(far)

        async def submit(scope: Any, receive: Any, send: Any) -> None:
            await link.submit((office.add(),), True)
            await send({"type": "http.response.start", "status": 200, "headers": []})

        unused: Any = None
        scope: Any = dict(SCOPE)
        async with office.running():
            await Observed(submit, ApiMeter(), tracer=api)(scope, unused, nothing)
        await link.close()
        await serving
        office.outbox.close()

    asyncio.run(asyncio.wait_for(work(), 120))
    return exporter.get_finished_spans()


def test_request_submission_and_block_are_spans_of_one_story(tmp_path: Path) -> None:
    spans = {
        span.name: span
        for span in submitted(Office(tmp_path / "outbox.db", MemoryStore()), InMemorySpanExporter())
    }
    assert sorted(spans) == ["POST /v1/transactions", "block", "submit"]
    request, submit, block = spans["POST /v1/transactions"], spans["submit"], spans["block"]
    assert request.parent is not None
    assert submit.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    assert {f"{span.context.trace_id:032x}" for span in (request, submit)} == {TRACE}
    assert submit.parent.span_id == request.context.span_id
    assert [link.context.span_id for link in block.links] == [submit.context.span_id]
    assert request.attributes is not None
    assert submit.attributes is not None
    assert (request.attributes["traco.request_id"], submit.attributes["traco.request_id"]) == ("abc", "abc")
    assert request.attributes["http.response.status_code"] == 200


def test_without_an_endpoint_there_are_no_traces_and_no_packages_are_imported() -> None:
    assert make_tracer(TracingConfig(), "api") is NO_TRACES
    script = (
        "import sys, traco.node.supervisor; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_missing_packages_are_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    importing: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importing(name, *arguments, **more)

    for name in [
        name for name in sys.modules if name == "traco.node.spans" or name.startswith("opentelemetry")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationInvalid) as caught:
        make_tracer(TracingConfig(endpoint="http://127.0.0.1:1/v1/traces"), "api")
    assert caught.value.code == "node.tracing_missing"
    assert "traco[tracing]" in str(caught.value)


def test_an_endpoint_makes_a_tracer_that_can_be_closed() -> None:
    made = make_tracer(TracingConfig(endpoint="http://127.0.0.1:1/v1/traces"), "api")
    assert isinstance(made, SpanTracer)
    made.close()

"""Spans by the OpenTelemetry SDK. Imported only where traces are configured (``tracing.make_tracer``)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from traco import __version__
from traco.node.tracing import MOST_LINKS

_PARENT: Final = "traceparent"
_NANO: Final = 1_000_000_000


def exporting_to(endpoint: str, process: str) -> "SpanTracer":
    """A tracer that sends its spans by OTLP over HTTP, in a thread of its own."""
    return SpanTracer(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), process, __version__)


class RequestSpan:
    """The span of a request."""

    def __init__(self, span: trace.Span, method: str) -> None:
        self._span, self._method = span, method

    def end(self, route: str, status: int, identity: str) -> None:
        """Name it by the route, and say how it was answered."""
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes(
            {
                "http.request.method": self._method,
                "http.route": route,
                "http.response.status_code": status,
                "traco.request_id": identity,
            }
        )
        if status >= 500:
            self._span.set_status(trace.StatusCode.ERROR)


class SpanTracer:
    """Makes spans and gives them to ``processor``. ``process``: ``api`` or ``ledger``."""

    def __init__(self, processor: SpanProcessor, process: str, version: str) -> None:
        resource = Resource(
            {"service.name": "traco-node", "service.version": version, "traco.process": process}
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("traco", version)
        self._propagator = TraceContextTextMapPropagator()
        self._open: dict[str, trace.SpanContext] = {}  # submissions under way, by correlation id

    @contextmanager
    def request(self, method: str, parent: bytes | None) -> Iterator[RequestSpan]:
        """The span of a request, below the caller's where one is given."""
        carrier = {} if parent is None else {_PARENT: parent.decode("latin-1")}
        with self._tracer.start_as_current_span(
            method, context=self._propagator.extract(carrier), kind=trace.SpanKind.SERVER
        ) as span:
            yield RequestSpan(span, method)

    def context(self) -> str:
        """The ``traceparent`` of the span that is open."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_PARENT, "")

    @contextmanager
    def submission(self, parent: str, identity: str, transactions: int) -> Iterator[None]:
        """The span of a submission: from when the ledger process has it until its results are known."""
        context = self._propagator.extract({_PARENT: parent})
        with self._tracer.start_as_current_span("submit", context=context) as span:
            span.set_attributes({"traco.request_id": identity, "traco.transactions": transactions})
            self._open[identity] = span.get_span_context()
            try:
                yield
            finally:
                self._open.pop(identity, None)

    def block(self, height: int, seconds: float, requests: Sequence[str]) -> None:
        """The span of a block that was just made, linked to the submissions in it that still wait for their results."""
        found = (self._open.get(request) for request in requests[:MOST_LINKS])
        end = time.time_ns()
        span = self._tracer.start_span(
            "block", context=trace.set_span_in_context(trace.INVALID_SPAN),
            links=[trace.Link(context) for context in found if context is not None],
            start_time=end - int(seconds * _NANO), attributes={"traco.height": height},
        )  # fmt: skip
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

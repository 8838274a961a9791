"""A small HTTP server on the loopback address that answers as a test says; with TLS on request."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One connection; ``say`` and ``begin`` answer its requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.answer(self)  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        self.content = self.rfile.read(int(self.headers["content-length"]))
        self.server.answer(self)  # type: ignore[attr-defined]

    def say(self, form: Any, status: int = 200) -> None:
        """Answer with JSON."""
        content = msgspec.json.encode(form)
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self, kind: str = "text/event-stream") -> None:
        """Begin an answer that ends with the connection."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def write(self, content: bytes) -> None:
        """Some more of it, at once."""
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is printed."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    answer: Answer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests hang up."""


@contextmanager
def small_server(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server; each connection has a thread of its own."""
    with _Server(("127.0.0.1", 0), Asked) as server:
        server.answer = answer
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def serving(chain: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context

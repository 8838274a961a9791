"""A node that joins asks gateways whose certificates are of an authority that only its organisation knows."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from support.certificates import make_authority
from traco.engine.cometbft.errors import EngineGone
from traco.node.joining import GatewaySource

AUTHORITY = "authority.crt"


class _Gateway(BaseHTTPRequestHandler):
    """Answers every question with the same seal."""

    def do_GET(self) -> None:
        """The answer."""
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"seal")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is written."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """The address of a gateway on loopback, with a certificate of an authority that no system knows."""
    _, chain, key = make_authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with HTTPServer(("127.0.0.1", 0), _Gateway) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def seal_of(url: str, ca_file: Path | None) -> bytes:
    async def ask() -> bytes:
        source = GatewaySource(url, ca_file)
        try:
            return await source.seal()
        finally:
            await source.aclose()

    return asyncio.run(ask())


def test_a_gateway_with_a_certificate_of_an_internal_authority_is_believed_by_who_names_it(
    gateway: str, tmp_path: Path
) -> None:
    assert seal_of(gateway, tmp_path / AUTHORITY) == b"seal"


def test_who_names_no_authority_does_not_believe_it(gateway: str) -> None:
    with pytest.raises(EngineGone, match="ConnectError"):
        seal_of(gateway, None)


def test_an_authority_of_somebody_else_does_not_vouch_for_it(gateway: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(EngineGone, match="ConnectError"):
        seal_of(gateway, make_authority(other)[0])

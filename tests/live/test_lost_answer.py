import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from support.command_line import PASSPHRASE, CommandLine
from support.live_node import make_keys
from traco.cli.names import AddressBook, Entry
from traco.cli.problems import ExitCode
from traco.kernel.codec import Codec
from traco.kernel.transaction import RawTransaction

NETWORK = b"n" * 32
PARTY, ACCOUNT = "aa" * 16, "bb" * 16


class Deaf(BaseHTTPRequestHandler):
    """A node that says where its ledger stands, and hangs up on whoever submits."""

    def do_GET(self) -> None:
        content = msgspec.json.encode({
            "network": NETWORK.hex(), "version": "0", "height": 1, "time_ms": 1_790_000_000_000, "window_ms": 600_000,
            "seal": "",
        })  # fmt: skip
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is printed."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Deaf) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_transaction_without_an_answer_is_kept_to_be_submitted_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("traco.cli.session.PAUSES", (0.0,))
    traco = CommandLine(tmp_path / "home", monkeypatch, capfd)
    AddressBook.open(traco.home).add("bank", Entry("party", PARTY), NETWORK, url)
    make_keys(traco.home / "keys" / "bank.keys", PASSPHRASE)
    printed = traco("holding", "close-account", ACCOUNT, "--as", "@bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "transaction.outcome_unknown")
    kept = Path(printed.problem["file"])
    assert kept.stem == printed.problem["transaction"]
    assert len(Codec[RawTransaction](RawTransaction).decode(kept.read_bytes()).signatures) == 1

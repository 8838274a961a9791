"""A node on an address that other machines reach: TLS, tokens, streams, and their end, over a real network."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from support.api import PASSPHRASE, make_directory
from support.certificates import make_certificate, trusting
from support.running import WAIT_SECONDS, Running, free_port
from traco.client.access import make_token, new_grant
from traco.client.keystore import KeyStore
from traco.client.sdk import sign_body
from traco.kernel.codec import ROOT, encode
from traco.kernel.transaction import Body
from traco.modules.party.messages import RegisterParty
from traco.modules.party.state import PartyKey
from traco.node.directory import KEYS_FILE, MEMBER_KEY, NODE_KEY, founding_member, read_genesis

OCTETS = {"content-type": "application/octet-stream"}


class Served(NamedTuple):
    """A running node and a client that trusts its certificate."""

    running: Running
    client: httpx.Client
    chain: Path
    directory: Path

    def headers(self) -> dict[str, str]:
        """A token of the founding member."""
        status = self.client.get("/v1/status").json()
        with KeyStore.open(self.directory / KEYS_FILE, PASSPHRASE) as keys:
            node, signer = keys.signer(NODE_KEY).public_key, keys.signer(MEMBER_KEY)
        assert status["node"] == node.hex()
        member = founding_member(read_genesis(self.directory))
        grant = new_grant(bytes.fromhex(status["network"]), node, member, "submit", status["time_ms"])
        return {"authorization": f"Bearer {make_token(grant, signer)}"}

    def register(self, number: int) -> None:
        """Have a party registered, so that there is an event."""
        status = self.client.get("/v1/status").json()
        with KeyStore.open(self.directory / KEYS_FILE, PASSPHRASE) as keys:
            signer = keys.signer(MEMBER_KEY)
        member = founding_member(read_genesis(self.directory))
        key = PartyKey(b"\x01" + bytes.fromhex(PUBLIC), ("sign", "administer"))
        message = RegisterParty(member, number.to_bytes(16, "big"), "organisation", (key,), "Example Ltd")
        until, network = status["time_ms"] + 60_000, bytes.fromhex(status["network"])
        raw = sign_body(encode(Body(network, ROOT, until, bytes(16), (message,))), [signer])
        answer = self.client.post("/v1/transactions", content=raw, headers={**OCTETS, **self.headers()})
        assert answer.json()["status"] == "final", answer.text


PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"  # of RFC 8032, 7.1


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("tls") / "node"
    port = free_port()
    make_directory(directory, port)
    chain, _ = make_certificate(directory)
    configuration: Any = msgspec.json.decode((directory / "node.json").read_bytes())
    configuration.update(host="0.0.0.0", tls={"certificate": "node.crt", "key": "node.key"})
    (directory / "node.json").write_bytes(msgspec.json.encode(configuration))
    with (
        Running(directory, f"https://127.0.0.1:{port}") as running,
        httpx.Client(base_url=running.url, verify=trusting(chain), timeout=60) as client,
    ):
        wait_until_ready(running, client)
        yield Served(running, client, chain, directory)


def wait_until_ready(running: Running, client: httpx.Client) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.said()
        try:
            if client.get("/v1/status").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(running.said() + running.log())


def test_without_a_token_nothing_is_answered_even_in_a_development_network(served: Served) -> None:
    answer = served.client.get("/v1/parties")
    assert (answer.status_code, answer.json()["code"]) == (401, "access.missing")
    assert served.client.get("/v1/parties", headers=served.headers()).status_code == 200


def test_without_tls_nothing_is_answered(served: Served) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(served.running.url.replace("https", "http") + "/v1/status", timeout=60)


def test_who_does_not_trust_the_certificate_gets_no_connection(served: Served) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.running.url + "/v1/status", timeout=60, verify=ssl.create_default_context())


def test_only_names_of_the_certificate_are_served(served: Served) -> None:
    for host, status in (
        ("node.example", 200),
        ("a.banks.example:443", 200),
        ("evil.example", 403),
        ("a.b.banks.example", 403),
    ):
        answer = served.client.get("/v1/status", headers={"host": host})
        assert answer.status_code == status, host


class Lines:
    """Reads messages of a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self) -> tuple[str, str, Any]:
        """Kind, id and data of the next message."""
        fields = {"id": ""}
        for line in self._lines:
            if not line:
                return fields["event"], fields["id"], msgspec.json.decode(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value
        raise AssertionError("the stream ended")


def test_a_stream_brings_what_is_committed_and_says_when_the_node_stops(served: Served) -> None:
    headers = served.headers()
    with served.client.stream("GET", "/v1/events", headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"][:17]) == (200, "text/event-stream")
        lines = Lines(answer)
        assert lines.next()[0] == "progress"
        served.register(1)
        kind, position, data = lines.next()
        assert (kind, data["event"]["type"], data["position"]) == ("ledger", "party.registered/1", position)
        with served.client.stream(
            "GET", "/v1/events?after=0.0.0", headers={**headers, "last-event-id": position}
        ) as resumed:
            assert Lines(resumed).next()[:2] == ("progress", position)
        served.running.process.terminate()
        kind, _, data = lines.next()
        assert (kind, data["code"]) == ("end", "node.stopping")
    assert served.running.ends() == 0
    assert not [
        word for word in ("Traceback", "Exception") if word in served.running.said() + served.running.log()
    ]

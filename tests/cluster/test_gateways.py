"""Clients of a real network that believe no gateway: what they verify, how they go on, and whom they catch."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from nacl.signing import SigningKey

from torture_cluster.journal import Payment
from torture_cluster.network import START_SECONDS
from torture_cluster.scene import Scene
from torture_cluster.sites import Site
from torture_cluster.wires import between
from traco.client.blocking_wire import BlockingWire
from traco.client.building import identity_of
from traco.client.gateways import ForkDetected, GatewayAlters, GatewayDelays, GatewayFault, GatewayHides
from traco.client.sdk import LedgerClient
from traco.client.trust import Trust, check_fork
from traco.kernel.codec import encode
from traco.kernel.crypto import Scheme
from traco.kernel.genesis import write_genesis
from traco.kernel.light import (
    Commit,
    LightBlock,
    SignedHeader,
    Vote,
    decode_light_block,
    header_hash,
    sign_bytes,
)
from traco.node.directory import CONSENSUS_KEY_FILE

DELAY_MS = 4_000
"""An idle network makes a block every three seconds."""


@contextmanager
def connected(
    scene: Scene, *sites: Site, wire: BlockingWire | None = None, **options: Any
) -> Iterator[LedgerClient]:
    """A client of these gateways that verifies, although they are on this machine."""
    options = {"verify": True, "genesis": write_genesis(scene.network.genesis), **options}
    with LedgerClient([site.url for site in sites], wire=wire, **options) as client:
        yield client


def held(client: LedgerClient, scene: Scene, number: int, *, verify: bool = True) -> Any:
    books = scene.load.books
    found = client.query(
        "holding.get", verify=verify, instrument=books.instrument, account=books.accounts[number]
    )
    return found["available"]


class Liar(httpx.HTTPTransport):
    """A network card that changes what one gateway answers on a path, or on all that begin with it if it ends in a slash."""

    def __init__(self, site: Site, path: str, change: Callable[[bytes], bytes | int]) -> None:
        super().__init__()
        self._port, self._path, self._change = site.ports.api, path, change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        path = request.url.path
        is_meant = path.startswith(self._path) if self._path.endswith("/") else path == self._path
        if request.url.port != self._port or not is_meant or answer.status_code != 200:
            return answer
        changed = self._change(answer.read())
        if isinstance(changed, int):
            document = {"code": "transaction.unknown", "detail": "There is none."}
            return httpx.Response(changed, json=document)
        return httpx.Response(200, content=changed)


def lying(site: Site, path: str, change: Callable[[bytes], bytes | int]) -> BlockingWire:
    return BlockingWire(lambda: httpx.Client(transport=Liar(site, path, change)))


def fault_of(client: LedgerClient, site: Site) -> GatewayFault | None:
    return next(state.fault for state in client.gateways() if state.url == site.url)


def test_outcomes_and_answers_of_every_gateway_are_verified(scene: Scene) -> None:
    for site in scene.honest:
        with connected(scene, site) as client:
            before = held(client, scene, 9)
            outcome = client.submit(scene.load.make(Payment(0, 9, 3)))
            assert [event["amount"] for event in outcome.events] == [3]
            assert held(client, scene, 9) == before + 3
            assert held(client, scene, 9) == held(client, scene, 9, verify=False)


def test_all_gateways_have_the_same_blocks(scene: Scene) -> None:
    with connected(scene, *scene.honest) as client:
        heads = client.compare()
    assert [head.fault for head in heads] == [None] * len(scene.honest)
    assert max(head.height for head in heads) - min(head.height for head in heads) < 10


def test_what_was_verified_is_gone_on_from_after_a_pause(scene: Scene, tmp_path: Path) -> None:
    trust, site = Trust(tmp_path), scene.honest[0]
    with connected(scene, site, trust=trust) as client:
        client.compare()
    scene.network.await_height(site.height() + 2, [site])
    with connected(scene, site, trust=trust) as client:
        assert client.compare()[0].fault is None


@pytest.mark.slow
def test_when_a_gateway_dies_payments_and_events_go_on_at_the_next(scene: Scene) -> None:
    first, second = scene.honest[:2]
    with connected(scene, first, second) as client, connected(scene, second) as witness:
        before = held(client, scene, 10)
        begun = client.submit(scene.load.make(Payment(1, 10, 2)))
        events = client.events(after=f"{begun.height}.0.0", type="holding.moved", verify=True)
        found = [next(events)]
        raws = [scene.load.make(Payment(1, 10, 2)) for _ in range(3)]
        client.submit(raws[0], "received")  # the gateway has it, and dies
        scene.kill(first)
        outcomes = [client.submit(raw) for raw in raws]
        found += [next(events) for _ in range(3)]
        assert [outcome.status for outcome in outcomes] == ["final"] * 3
        assert client.url == second.url
        assert held(client, scene, 10) == before + 4 * 2
        whole = witness.events(after=f"{begun.height}.0.0", type="holding.moved")
        assert [event.position for event in found] == [next(whole).position for _ in range(4)]
        assert all(event.verified for event in found)
    scene.network.start([first])
    scene.settle()


def test_a_gateway_that_is_cut_off_delays(scene: Scene) -> None:
    alone, *others = scene.honest
    trust = Trust(delay_ms=DELAY_MS)
    scene.network.wires.hold(between([[alone.name], [site.name for site in others]]))
    height = others[0].height()
    scene.network.await_height(height + 3, others)
    with connected(scene, alone, others[0], trust=trust) as client:
        deadline = time.monotonic() + START_SECONDS
        while client.compare()[0].fault is None and time.monotonic() < deadline:
            time.sleep(0.5)
        alone_head, other_head = client.compare()
        assert isinstance(alone_head.fault, GatewayDelays)
        assert other_head.fault is None
        assert held(client, scene, 9) == held(client, scene, 9, verify=False)
        assert client.url == others[0].url
    scene.settle()


def test_an_altered_header_is_caught(scene: Scene) -> None:
    liar, honest = scene.honest[:2]

    def change(raw: bytes) -> bytes:
        block = decode_light_block(raw)
        header = msgspec.structs.replace(block.signed.header, app_hash=bytes(32))
        return encode(msgspec.structs.replace(block, signed=SignedHeader(header, block.signed.commit)))

    with connected(scene, liar, honest, wire=lying(liar, "/v1/light/blocks/", change)) as client:
        client.compare()
        assert isinstance(fault_of(client, liar), GatewayAlters)
        assert client.submit(scene.load.make(Payment(0, 9, 1))).status == "final"
        assert client.url == honest.url


def test_a_false_outcome_is_caught(scene: Scene) -> None:
    liar = scene.honest[0]

    def change(raw: bytes) -> bytes:
        told = msgspec.json.decode(raw)
        failure = {"code": "holding.insufficient", "fields": {}, "text": "No."}
        return msgspec.json.encode({**told, "status": "rejected", "failure": failure})

    raw = scene.load.make(Payment(0, 9, 1))
    with (
        connected(scene, liar, wire=lying(liar, "/v1/transactions", change)) as client,
        pytest.raises(GatewayAlters, match="the receipt says final"),
    ):
        client.submit(raw)


def test_a_hidden_payment_is_found_at_another_gateway(scene: Scene) -> None:
    liar, honest = scene.honest[:2]
    raw = scene.load.make(Payment(0, 9, 4))
    with connected(scene, honest) as client:
        height = client.submit(raw).height
    scene.network.await_height(height + 1, [liar])
    identity = identity_of(raw)
    hidden = lying(liar, f"/v1/transactions/{identity.hex()}", lambda _: 404)
    with connected(scene, liar, honest, wire=hidden) as client:
        found = client.result(identity, verify=True)
        assert found is not None
        assert (found.status, found.height) == ("final", height)
        assert isinstance(fault_of(client, liar), GatewayHides)


def test_validators_that_sign_two_blocks_of_one_height_are_caught(scene: Scene, tmp_path: Path) -> None:
    liar, honest = scene.honest[:2]

    def change(raw: bytes) -> bytes:
        return encode(signed_again(scene, decode_light_block(raw)))

    wire = lying(liar, "/v1/light/blocks/", change)
    with (
        connected(scene, honest, liar, wire=wire, trust=Trust(tmp_path)) as client,
        pytest.raises(ForkDetected) as found,
    ):
        client.compare()
    evidence = Path(found.value.file).read_bytes()
    assert check_fork(evidence, scene.network.genesis) == found.value.height


def signed_again(scene: Scene, block: LightBlock) -> LightBlock:
    """Another block of the same height, signed by the real keys of all validators."""
    header = msgspec.structs.replace(block.signed.header, app_hash=bytes(32))
    named = msgspec.structs.replace(block.signed.commit.block, hash=header_hash(header))
    commit = Commit(header.height, block.signed.commit.round, named, ())
    keys = dict(map(consensus_key, scene.network.validators))
    votes: list[Vote | None] = []
    for validator, vote in zip(block.validators, block.signed.commit.votes, strict=True):
        if vote is not None:
            unsigned = msgspec.structs.replace(vote, for_block=True)
            value = keys[validator.key].sign(sign_bytes(header.chain, commit, unsigned)).signature
            votes.append(msgspec.structs.replace(unsigned, signature=value))
        else:
            votes.append(None)
    return msgspec.structs.replace(
        block, signed=SignedHeader(header, msgspec.structs.replace(commit, votes=tuple(votes)))
    )


def consensus_key(site: Site) -> tuple[bytes, SigningKey]:
    """The key by which a validator signs blocks, from its directory: public with its scheme, and secret."""
    document = msgspec.json.decode((site.directory / CONSENSUS_KEY_FILE).read_bytes())
    key = SigningKey(base64.b64decode(document["priv_key"]["value"])[:32])
    return bytes([Scheme.ED25519]) + bytes(key.verify_key), key

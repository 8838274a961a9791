"""Signed headers, seals and proofs by REST: what they are made of, and what they keep to themselves."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from support.api import WholeNode
from support.light_chain import LightChain
from traco.client.blocking_wire import BlockingWire
from traco.client.forms import from_form, to_form
from traco.client.gateways import GatewayAlters
from traco.client.ledger import LedgerClient
from traco.client.results import ClientError
from traco.client.transport import Patience
from traco.client.witness import PROVEN, KeyProofs, Witness, answer_from, check_witness, known_queries
from traco.kernel.codec import encode
from traco.kernel.genesis import Genesis, parse_genesis
from traco.kernel.seal import Checkpoint, verify_seal
from traco.node.api.light import KEPT_BLOCKS, WAITING, Headers, _witness
from traco.node.api.principals import LOCAL
from traco.node.api.problems import Problem
from traco.node.link import LightBlockFound, Sealed

CHAIN = LightChain("traco-test")


def asked(node: WholeNode, name: str, **form: Any) -> httpx.Response:
    return node.client.post(f"/v1/proofs/{name}", json=form)


def proven(node: WholeNode, name: str, **form: Any) -> Any:
    witness = check_witness(asked(node, name, **form).content, node.network)
    return to_form(answer_from(witness, name, from_form(known_queries()[name].request, form)))


def test_the_head_is_where_the_ledger_stands(node: WholeNode) -> None:
    head = node.client.get("/v1/light/head").json()
    assert head["height"] == node.client.get("/v1/status").json()["height"]
    assert head["time_ms"] > 0


def test_the_embedded_engine_has_no_signed_headers(node: WholeNode) -> None:
    answer = node.client.get("/v1/light/blocks/1")
    assert (answer.status_code, answer.json()["code"]) == (404, "light.no_headers")


def test_a_seal_is_judged_by_the_genesis_document(node: WholeNode) -> None:
    genesis = parse_genesis(node.client.get("/v1/genesis").content)
    seal = node.client.get("/v1/light/seal")
    assert seal.headers["content-type"] == "application/octet-stream"
    height = node.client.get("/v1/status").json()["height"]
    sealed = verify_seal(seal.content, genesis)
    block = node.client.get(f"/v1/blocks/{sealed.height}").json()
    assert sealed.height <= height
    assert sealed.app_hash.hex() == block["app_hash"]


def test_an_answer_made_from_a_proof_is_that_of_the_query(node: WholeNode) -> None:
    form = {"party": node.member.hex()}
    assert (
        proven(node, "party.get", **form)
        == node.client.post("/v1/queries/party.get", json=form).json()["answer"]
    )


def test_a_proof_leads_to_the_app_hash_of_its_block(node: WholeNode) -> None:
    witness = check_witness(asked(node, "party.council").content, node.network)
    block = node.client.get(f"/v1/blocks/{witness.height}").json()
    assert witness.app_hash.hex() == block["app_hash"]


def test_that_a_party_does_not_exist_is_proven(node: WholeNode) -> None:
    assert proven(node, "party.get", party="ff" * 16) is None


def test_absence_is_not_proven_where_it_would_show_the_hash_of_another_kind_of_record(
    node: WholeNode,
) -> None:
    answer = asked(node, "party.get", party="00" * 16)
    assert (answer.status_code, answer.json()["code"]) == (404, "proof.withheld")


def test_absence_of_what_is_not_everybodys_is_not_proven(node: WholeNode) -> None:
    answer = asked(node, "holding.get", instrument="ff" * 16, account="ff" * 16)
    assert (answer.status_code, answer.json()["code"]) == (404, "proof.withheld")
    assert answer.json()["advice"]


def test_a_request_that_is_none_is_refused(node: WholeNode) -> None:
    assert asked(node, "party.get", party=7).status_code == 400


def test_queries_that_read_ranges_have_no_proofs(node: WholeNode) -> None:
    assert set(PROVEN) <= set(node.reads.registry.queries)
    assert not {"party.list", "holding.by_account", "holding.holders"} & set(PROVEN)


# a client that makes sure of what the embedded engine's node says


def client_of(node: WholeNode, seals: Callable[[bytes], bytes] = lambda seal: seal) -> LedgerClient:
    """A client that believes nothing; ``seals`` changes what the node says is sealed."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = node.client.request(
            request.method, request.url.raw_path.decode(), content=request.content,
            headers={"content-type": request.headers.get("content-type", "application/json")},
        )  # fmt: skip
        content = seals(found.content) if request.url.path == "/v1/light/seal" else found.content
        return httpx.Response(found.status_code, content=content)

    wire = BlockingWire(lambda: httpx.Client(transport=httpx.MockTransport(answer)))
    genesis = node.client.get("/v1/genesis").content
    return LedgerClient("http://node", genesis=genesis, wire=wire, patience=Patience(()), verify=True)


def test_answers_of_the_embedded_engine_are_held_against_its_seals(node: WholeNode) -> None:
    found = client_of(node).query("party.get", verify=True, party=node.member)
    assert found == client_of(node).query("party.get", party=node.member)


def test_a_seal_that_is_none_is_caught(node: WholeNode) -> None:
    with pytest.raises(GatewayAlters) as found:
        client_of(node, lambda seal: seal + b"x").query("party.get", verify=True, party=node.member)
    assert found.value.reason.startswith("seal.")


@pytest.mark.parametrize(("later", "code"), [(0, "gateway.alters"), (1, "client.state_moves")])
def test_a_state_that_no_seal_is_of_is_not_believed(
    node: WholeNode, monkeypatch: pytest.MonkeyPatch, later: int, code: str
) -> None:
    def sealed(seal: bytes, genesis: Genesis) -> Checkpoint:
        genuine = verify_seal(seal, genesis)
        return Checkpoint(genuine.height + later, genuine.time_ms, bytes(32))

    monkeypatch.setattr("traco.client.checking.verify_seal", sealed)
    with pytest.raises(ClientError) as found:
        client_of(node).query("party.get", verify=True, party=node.member)
    assert found.value.code == code


def test_there_are_no_validators_to_compare(node: WholeNode) -> None:
    with pytest.raises(ClientError) as found:
        client_of(node).compare()
    assert found.value.code == "client.no_validators"


class Ledger:
    """The ledger process as the link shows it: at a height, with headers; blocks come when a test says so."""

    def __init__(self, height: int = 5) -> None:
        self.height = height
        self.asked: list[int] = []
        self.waiting = 0
        self.is_available = True
        self.comes = asyncio.Event()
        self.proofs: list[KeyProofs] = []

    async def seal(self, at_least: int = 0) -> Sealed:
        return Sealed(b"seal", self.height, 1_000, self.height)

    async def next_block(self, after: int) -> int:
        self.waiting += 1
        await self.comes.wait()
        self.height = after + 1
        return self.height

    async def light_block(self, height: int) -> LightBlockFound:
        self.asked.append(height)
        found = height <= self.height and self.is_available
        return LightBlockFound(encode(CHAIN.block(height)) if found else b"", self.is_available)

    async def prove(self, keys: tuple[bytes, ...]) -> KeyProofs:
        return self.proofs.pop(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def headers(ledger: Ledger) -> Headers:
    return Headers(ledger)  # type: ignore[arg-type]


async def refusal(work: Coroutine[Any, Any, bytes]) -> str:
    try:
        await work
    except Problem as problem:
        return problem.code
    return ""


def test_a_block_is_given_as_the_engine_has_it() -> None:
    async def work() -> None:
        assert await headers(Ledger()).block(4) == encode(CHAIN.block(4))

    run(work())


def test_settled_blocks_are_asked_for_once_and_the_last_ones_again() -> None:
    async def work() -> None:
        ledger = Ledger(5)
        known = headers(ledger)
        for height in (3, 3, 5, 5):
            await known.block(height)
        assert ledger.asked == [3, 5, 5]

    run(work())


def test_only_so_many_blocks_are_kept() -> None:
    async def work() -> None:
        ledger = Ledger(KEPT_BLOCKS + 10)
        known = headers(ledger)
        for height in (*range(1, KEPT_BLOCKS + 2), 1):
            await known.block(height)
        assert ledger.asked[-1] == 1

    run(work())


def test_the_next_block_is_waited_for() -> None:
    async def work() -> None:
        ledger = Ledger(5)
        waiting = asyncio.create_task(headers(ledger).block(6))
        while not ledger.waiting:
            await asyncio.sleep(0)
        assert not ledger.asked
        ledger.comes.set()
        assert await waiting == encode(CHAIN.block(6))

    run(work())


def test_a_later_block_is_not_waited_for() -> None:
    async def work() -> None:
        ledger = Ledger(5)
        assert await refusal(headers(ledger).block(7)) == "light.no_block"
        assert (ledger.waiting, ledger.asked) == (0, [])

    run(work())


def test_only_so_many_wait_at_a_time() -> None:
    async def work() -> None:
        ledger = Ledger(5)
        known = headers(ledger)
        tasks = [asyncio.create_task(known.block(6)) for _ in range(WAITING)]
        while ledger.waiting < WAITING:
            await asyncio.sleep(0)
        assert await refusal(known.block(6)) == "light.no_block"
        ledger.comes.set()
        await asyncio.gather(*tasks)

    run(work())


def test_an_engine_that_is_being_started_is_asked_again_later() -> None:
    async def work() -> None:
        ledger = Ledger(5)
        ledger.is_available = False
        assert await refusal(headers(ledger).block(5)) == "light.unavailable"

    run(work())


def test_what_was_pruned_is_said_so() -> None:
    async def work() -> None:
        ledger = Ledger(5)

        async def nothing(height: int) -> LightBlockFound:
            return LightBlockFound(b"", True)

        ledger.light_block = nothing  # type: ignore[method-assign]
        assert await refusal(headers(ledger).block(2)) == "light.no_block"

    run(work())


def genuine(node: WholeNode) -> Witness:
    return check_witness(asked(node, "party.council").content, node.network)


def test_what_was_proven_of_a_block_that_is_not_committed_is_proven_again(node: WholeNode) -> None:
    good = genuine(node).proofs
    ledger = Ledger()
    ledger.proofs = [KeyProofs(bytes(32), good.keys), good]

    async def work() -> None:
        raw = await _witness(ledger, node.reads, "party.council", {}, LOCAL)  # type: ignore[arg-type]
        assert check_witness(raw, node.network).proofs == good

    run(work())


def test_a_state_that_changes_all_the_time_is_said_so(
    node: WholeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.node.api.light.PAUSE_SECONDS", 0)
    ledger = Ledger()
    ledger.proofs = [KeyProofs(bytes(32), genuine(node).proofs.keys)] * 100

    async def work() -> None:
        await _witness(ledger, node.reads, "party.council", {}, LOCAL)  # type: ignore[arg-type]

    with pytest.raises(Problem) as caught:
        run(work())
    assert (caught.value.status, caught.value.code) == (503, "proof.not_yet")

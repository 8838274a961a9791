"""The light client: what it believes, from where it goes on, and whom it catches."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from support.ledger import START_MS
from support.light_chain import REAL, REAL_GENESIS, edited, with_header, with_vote
from support.light_gateways import (
    GENESIS,
    NETWORK,
    Crossroads,
    LightGateway,
    SignedChain,
    light_client,
)
from support.scripted_node import _Unsleeping, problem
from traco.client.blocking_wire import run
from traco.client.gateways import ForkDetected, GatewayAlters, GatewayDelays, GatewayFault
from traco.client.light import MAX_STEPS, LightClient
from traco.client.results import ClientError, NodeBusy, StrangeAnswer
from traco.client.transport import NEVER, Patience, Transport
from traco.client.trust import Fork, Trust, check_fork
from traco.kernel.codec import encode
from traco.kernel.light import Handover, LightBlock, LightInvalid, header_hash, make_evidence, trim

T = TypeVar("T")
A, B = "https://a", "https://b"
DAY_MS = 86_400_000

# validators that change so often that no third of the first set is left at the end
GENERATIONS = ("ann ben cas dot", "eve ben cas dot", "eve fay cas dot", "eve fay gus dot", "eve fay gus hal", "ina fay gus hal", "ina jon gus hal", "ina jon kim hal", "ina jon kim lea")  # fmt: skip
CHANGING = SignedChain(
    tuple((1 + 10 * place, dict.fromkeys(names.split(), 10)) for place, names in enumerate(GENERATIONS))
)
ENDS = 10 * len(GENERATIONS) + 5


def at(height: int) -> int:
    """A moment soon after a block was made."""
    return START_MS + height * 1_000 + 5_000


def head(client: LightClient, url: str = A) -> LightBlock:
    return run(client.head(url, NEVER))


def block(client: LightClient, height: int, url: str = A) -> LightBlock:
    return run(client.block(height, url, NEVER))


def caught(work: Coroutine[Any, Any, Any], kind: type[GatewayFault]) -> Any:
    with pytest.raises(kind) as found:
        run(work)
    return found.value


# following


def test_the_first_block_is_believed_by_the_genesis_alone() -> None:
    client = light_client(LightGateway(head=100), now_ms=at(100))
    assert head(client).signed.header.height == 100
    assert client.newest == SignedChain().block(100)


def test_the_first_block_is_believed_after_any_number_of_handovers() -> None:
    client = light_client(LightGateway(CHANGING, ENDS), now_ms=at(ENDS))
    assert head(client) == CHANGING.block(ENDS)


def test_a_validator_whose_signatures_only_the_engine_accepts_stops_no_client() -> None:
    odd = SignedChain(CHANGING.terms, signing={"odd": ["ben", "dot", "fay"], "absent": ["ann", "eve"]})
    gateway = LightGateway(odd, 5)
    client = light_client(gateway, now_ms=at(25))
    assert head(client) == odd.block(5)
    gateway.head = 25  # two handovers later
    assert head(client) == odd.block(25)


def test_a_later_block_is_verified_in_one_step_where_the_validators_are_the_same() -> None:
    gateway = LightGateway(head=10)
    client = light_client(gateway, now_ms=at(100))
    head(client)
    gateway.head = 100
    before = len(gateway.fetched)
    assert head(client).signed.header.height == 100
    assert gateway.fetched[before:] == [100]


def test_the_next_block_is_verified_by_the_set_that_the_last_one_names() -> None:
    gateway = LightGateway(CHANGING, 10)
    client = light_client(gateway, now_ms=at(20))
    head(client)
    gateway.head = 11
    assert head(client) == CHANGING.block(11)


def test_steps_are_halved_where_too_many_validators_changed() -> None:
    gateway = LightGateway(CHANGING, 5)
    client = light_client(gateway, now_ms=at(ENDS))
    head(client)
    gateway.head = ENDS
    before = len(gateway.fetched)
    assert head(client) == CHANGING.block(ENDS)
    between = gateway.fetched[before + 1 :]
    assert between
    assert all(5 < height < ENDS for height in between)


def test_a_chain_that_needs_too_many_steps_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traco.client.light.MAX_STEPS", 2)
    gateway = LightGateway(CHANGING, 5)
    client = light_client(gateway, now_ms=at(ENDS))
    head(client)
    gateway.head = ENDS
    assert caught(client.head(A, NEVER), GatewayAlters).reason == "light.steps"
    assert MAX_STEPS > 2 * len(GENERATIONS)


def test_earlier_blocks_are_verified_by_the_same_set() -> None:
    client = light_client(LightGateway(head=100), now_ms=at(100))
    head(client)
    assert block(client, 7).signed.header.height == 7
    assert client.newest is not None
    assert client.newest.signed.header.height == 100


@pytest.mark.parametrize("height", [7, 100])
@pytest.mark.parametrize("part", ["validators", "next_validators"])
def test_no_part_of_a_verified_block_is_what_the_gateway_made_up(height: int, part: str) -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    head(client)
    gateway.alter = lambda it: msgspec.structs.replace(it, **{part: CHANGING.block(45).validators})
    try:
        found = block(client, height)
    except GatewayAlters:
        return
    assert found == SignedChain().block(height)


def test_no_vote_of_a_verified_block_is_what_the_gateway_made_up() -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    genuine = head(client)
    gateway.alter = lambda it: edited(it, lambda signed: with_vote(with_vote(signed, 0, None), 1, None))
    assert block(client, 100) == genuine


def test_earlier_blocks_of_other_validators_are_verified_by_the_handovers() -> None:
    client = light_client(LightGateway(CHANGING, ENDS), now_ms=at(ENDS))
    head(client)
    assert block(client, 25) == CHANGING.block(25)


def test_blocks_that_real_validators_signed_are_followed() -> None:
    heights = sorted(REAL)
    first, last = heights[0], heights[-1]

    class Recorded(SignedChain):
        def block(self, height: int) -> LightBlock:
            return REAL[height]

        def seal(self, height: int) -> bytes:
            before = [each for at, each in sorted(REAL.items()) if at < height and is_handover(each)]
            handovers = [
                Handover(trim(each.signed, each.validators), each.next_validators) for each in before
            ]
            return make_evidence(handovers, trim(REAL[height].signed, REAL[height].validators))

    gateway = LightGateway(Recorded(), head=last)
    transport = Transport(A, _Unsleeping(Crossroads(gateway)), Patience(()))
    now_ms = REAL[last].signed.header.time.time_ms
    client = LightClient(transport, REAL_GENESIS, Trust(clock_ms=lambda: now_ms))
    assert header_hash(head(client).signed.header) == header_hash(REAL[last].signed.header)
    assert block(client, first).signed.header.height == first


def is_handover(found: LightBlock) -> bool:
    return found.signed.header.next_validators_hash != found.signed.header.validators_hash


# trust ends, and begins again


def test_what_was_verified_is_gone_on_from_only_as_long_as_it_is_fresh(tmp_path: Path) -> None:
    gateway = LightGateway(CHANGING, 5)
    light = light_client(gateway, now_ms=at(5), folder=tmp_path)
    head(light)
    gateway.head = ENDS
    later = light_client(gateway, now_ms=at(ENDS), folder=tmp_path, period_ms=1_000)
    before = len(gateway.sent("/v1/light/seal"))
    assert head(later) == CHANGING.block(ENDS)
    assert len(gateway.sent("/v1/light/seal")) == before + 1  # the handovers since the founding


def test_what_was_verified_is_kept_for_the_next_run(tmp_path: Path) -> None:
    gateway = LightGateway(head=5)
    head(light_client(gateway, now_ms=at(5), folder=tmp_path))
    before = len(gateway.sent("/v1/light/seal"))
    gateway.head = 100
    assert head(light_client(gateway, now_ms=at(100), folder=tmp_path)).signed.header.height == 100
    assert len(gateway.sent("/v1/light/seal")) == before
    assert [path.stat().st_mode & 0o077 for path in tmp_path.glob("*.trust")] == [0]


def test_a_folder_that_was_tampered_with_is_not_used(tmp_path: Path) -> None:
    gateway = LightGateway(head=5)
    head(light_client(gateway, now_ms=at(5), folder=tmp_path))
    path = tmp_path / f"{NETWORK.hex()}.trust"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ClientError, match="delete it") as found:
        head(light_client(gateway, now_ms=at(5), folder=tmp_path))
    assert found.value.code == "trust.unreadable"


def test_a_clock_ten_years_on_stops_nothing_but_says_that_there_are_no_news() -> None:
    gateway = LightGateway(CHANGING, 45)
    client = light_client(gateway, now_ms=at(ENDS) + 3_650 * DAY_MS)
    assert head(client) == CHANGING.block(45)
    gateway.head = ENDS
    found = head(client)
    assert found == CHANGING.block(ENDS)
    with pytest.raises(GatewayDelays, match="Check this machine's clock too"):
        client.require_news(found, A)


def test_a_clock_that_is_behind_is_named() -> None:
    gateway = LightGateway(head=5)
    client = light_client(gateway, now_ms=at(5))
    head(client)
    gateway.head = 900
    found = caught(client.head(A, NEVER), GatewayAlters)
    assert found.reason == "light.future"
    assert "this machine's clock is behind" in found.detail


# a gateway that alters


def refused(alter: Any, before: int = 10, height: int = 100, chain: SignedChain | None = None) -> str:
    """Why a block that a gateway altered is not believed, by one who verified an earlier one."""
    gateway = LightGateway(chain, before)
    client = light_client(gateway, now_ms=at(height))
    head(client)
    newest = client.newest
    gateway.head, gateway.alter = height, alter
    reason: str = caught(client.head(A, NEVER), GatewayAlters).reason
    assert client.newest == newest
    return reason


def test_an_altered_header_is_refused() -> None:
    assert (
        refused(lambda it: edited(it, lambda signed: with_header(signed, app_hash=bytes(32))))
        == "light.header"
    )


def test_a_forged_signature_is_refused() -> None:
    def alter(it: LightBlock) -> LightBlock:
        vote = it.signed.commit.votes[0]
        assert vote is not None
        return edited(
            it, lambda signed: with_vote(signed, 0, msgspec.structs.replace(vote, signature=bytes(64)))
        )

    assert refused(alter) == "light.signature"


def test_too_little_power_is_refused() -> None:
    def alter(it: LightBlock) -> LightBlock:
        return edited(it, lambda signed: with_vote(with_vote(signed, 0, None), 1, None))

    assert refused(alter) == "light.power"


def test_a_duplicate_signer_is_refused() -> None:
    def alter(it: LightBlock) -> LightBlock:
        return edited(it, lambda signed: with_vote(signed, 1, signed.commit.votes[0]))

    assert refused(alter) == "light.duplicate"


def test_other_validators_are_refused() -> None:
    strangers = SignedChain(((1, {"eve": 10, "fay": 10, "gus": 10, "hal": 10}),))
    assert refused(lambda it: strangers.block(it.signed.header.height), 10, 11) == "light.validators"


def test_other_validators_are_refused_also_far_from_what_was_verified() -> None:
    strangers = SignedChain(((1, {"eve": 10, "fay": 10, "gus": 10, "hal": 10}),))
    assert refused(lambda it: strangers.block(it.signed.header.height)) in (
        "light.validators",
        "light.trusted_power",
    )


def test_a_block_of_another_height_is_refused() -> None:
    assert refused(lambda it: SignedChain().block(it.signed.header.height - 1)) == "light.height"


def test_bytes_that_are_no_block_are_refused() -> None:
    gateway = LightGateway(head=5)
    client = light_client(gateway, now_ms=at(5))
    head(client)
    gateway.line_up("/v1/light/blocks/4", problem(200, "x"))
    assert caught(client.block(4, A, NEVER), GatewayAlters).reason == "light.malformed"


def test_a_seal_of_other_founders_is_refused() -> None:
    strangers = SignedChain(((1, {"eve": 10, "fay": 10, "gus": 10, "hal": 10}),))
    client = light_client(LightGateway(strangers), now_ms=at(100))
    assert caught(client.head(A, NEVER), GatewayAlters).reason == "light.validators"
    assert client.newest is None


def test_an_earlier_block_that_others_signed_is_refused() -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    head(client)
    strangers = SignedChain(((1, {"eve": 10, "fay": 10, "gus": 10, "hal": 10}),))
    gateway.alter = lambda it: strangers.block(it.signed.header.height)
    assert caught(client.block(50, A, NEVER), GatewayAlters).reason == "light.validators"


def test_other_next_validators_than_the_header_names_are_refused() -> None:
    gateway = LightGateway(CHANGING, 10)  # which hands over

    def alter(it: LightBlock) -> LightBlock:
        return msgspec.structs.replace(it, next_validators=it.validators)

    gateway.alter = alter
    client = light_client(gateway, now_ms=at(20))
    assert caught(client.head(A, NEVER), GatewayAlters).reason == "light.next_validators"


def test_a_bad_seal_does_not_show_who_was_in_office() -> None:
    gateway = LightGateway(CHANGING, ENDS)
    client = light_client(gateway, now_ms=at(ENDS))
    head(client)
    gateway.line_up("/v1/light/seal", httpx.Response(200, content=b"nonsense"))
    assert caught(client.block(25, A, NEVER), GatewayAlters).reason == "light.malformed"


@pytest.mark.parametrize("answer", [{"height": "7"}, {"height": -1}, {}, []])
def test_what_is_no_height_is_a_strange_answer(answer: Any) -> None:
    gateway = LightGateway()
    gateway.line_up("/v1/light/head", httpx.Response(200, json=answer))
    with pytest.raises(StrangeAnswer):
        head(light_client(gateway, now_ms=at(100)))


def test_a_network_that_has_no_block_yet_is_asked_again() -> None:
    gateway = LightGateway()
    gateway.line_up("/v1/light/head", httpx.Response(200, json={"height": 0}))
    with pytest.raises(NodeBusy):
        head(light_client(gateway, now_ms=at(100)))


def test_a_seal_is_held_against_what_was_verified() -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    found = run(client.sealed(gateway.chain.seal(60), A, NEVER))
    assert (found.height, found.app_hash) == (59, gateway.chain.block(60).signed.header.app_hash)
    assert caught(client.sealed(b"nonsense", A, NEVER), GatewayAlters).reason == "light.malformed"


# a gateway that delays


def test_an_old_head_is_no_news() -> None:
    client = light_client(LightGateway(head=100), now_ms=at(100) + 120_000)
    found = head(client)
    with pytest.raises(GatewayDelays) as delayed:
        client.require_news(found, A)
    assert (delayed.value.code, delayed.value.behind_ms // 1_000) == ("gateway.delays", 124)


def test_a_gateway_far_behind_another_is_named() -> None:
    client = light_client(LightGateway(head=500), LightGateway(head=100), now_ms=at(500))
    heads = {each.url: each for each in run(client.compare(NEVER))}
    assert heads[A].fault is None
    assert isinstance(heads[B].fault, GatewayDelays)
    assert heads[B].behind_ms == pytest.approx(400_000, abs=2_000)


def test_an_old_seal_in_the_place_of_a_new_one_is_a_delay(tmp_path: Path) -> None:
    gateway = LightGateway(head=500)
    head(light_client(gateway, now_ms=at(500), folder=tmp_path))
    gateway.head = 400
    again = light_client(gateway, now_ms=at(500) + 30 * DAY_MS, folder=tmp_path)
    assert caught(again.head(A, NEVER), GatewayDelays).behind_ms == pytest.approx(100_000, abs=2_000)


# forks


def forked(changes: dict[int, dict[str, Any]]) -> SignedChain:
    """The same chain, but what its validators signed a second time."""
    return SignedChain(changes=changes)


def test_two_gateways_with_the_same_chain_agree() -> None:
    client = light_client(LightGateway(head=100), LightGateway(head=97), now_ms=at(100))
    assert [each.fault for each in run(client.compare(NEVER))] == [None, None]


def test_two_validly_signed_blocks_of_one_height_are_a_fork_and_kept(tmp_path: Path) -> None:
    other = forked({97: {"app_hash": bytes(32)}})
    client = light_client(LightGateway(head=100), LightGateway(other, 97), now_ms=at(100), folder=tmp_path)
    found = caught(client.compare(NEVER), ForkDetected)
    assert (found.code, found.height, found.url) == ("network.fork", 97, B)
    assert Path(found.file).read_bytes() == found.evidence
    assert check_fork(found.evidence, GENESIS) == 97


def test_a_fork_at_the_height_that_was_verified_is_noticed_without_another_gateway() -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    head(client)
    gateway.chain = forked({100: {"app_hash": bytes(32)}})
    assert caught(client.head(A, NEVER), ForkDetected).file == ""


def test_a_gateway_cannot_spoil_the_evidence_of_a_fork() -> None:
    gateway = LightGateway(head=100)
    client = light_client(gateway, now_ms=at(100))
    head(client)
    gateway.chain = forked({100: {"app_hash": bytes(32)}})
    gateway.alter = lambda it: msgspec.structs.replace(it, validators=CHANGING.block(45).validators)
    found = caught(client.block(100, A, NEVER), ForkDetected)
    assert check_fork(found.evidence, GENESIS) == 100


def test_a_gateway_that_stayed_behind_does_not_make_those_that_pruned_look_bad() -> None:
    pruned = LightGateway(head=100)
    pruned.line_up("/v1/light/blocks/1", problem(404, "light.no_block"))
    client = light_client(pruned, LightGateway(head=1), now_ms=at(100))
    heads = run(client.compare(NEVER))
    assert heads[0].fault is None
    assert heads[0].height == 100
    assert isinstance(heads[1].fault, GatewayDelays)


def test_a_fork_by_other_validators_is_one_where_handovers_lead_to_them(tmp_path: Path) -> None:
    gateway = LightGateway(CHANGING, 15)
    head(light_client(gateway, now_ms=at(15), folder=tmp_path))
    other = SignedChain(((1, CHANGING.powers(1)), (9, CHANGING.powers(21))))
    gateway.chain = other
    found = caught(light_client(gateway, now_ms=at(15), folder=tmp_path).head(A, NEVER), ForkDetected)
    assert found.height == 15


def test_a_fork_is_noticed_also_when_the_client_begins_with_the_genesis_again(tmp_path: Path) -> None:
    gateway = LightGateway(head=50)
    head(light_client(gateway, now_ms=at(50), folder=tmp_path))
    gateway.chain = forked({50: {"app_hash": bytes(32)}})
    later = light_client(gateway, now_ms=at(50) + 30 * DAY_MS, folder=tmp_path)
    assert caught(later.head(A, NEVER), ForkDetected).height == 50


def test_a_gateway_that_alters_an_earlier_block_is_caught_when_all_are_compared() -> None:
    liar = LightGateway(head=100)
    liar.alter = lambda it: (
        edited(it, lambda signed: with_header(signed, app_hash=bytes(32)))
        if it.signed.header.height < 100
        else it
    )
    heads = run(light_client(LightGateway(head=97), liar, now_ms=at(100)).compare(NEVER))
    assert heads[0].fault is None
    assert isinstance(heads[1].fault, GatewayAlters)


def test_a_block_that_only_one_gateway_altered_is_no_fork() -> None:
    liar = LightGateway(head=100)
    liar.alter = lambda it: edited(it, lambda signed: with_header(signed, app_hash=bytes(32)))
    client = light_client(LightGateway(head=100), liar, now_ms=at(100))
    heads = run(client.compare(NEVER))
    assert heads[0].fault is None
    assert isinstance(heads[1].fault, GatewayAlters)


def test_a_gateway_that_does_not_answer_is_told_apart() -> None:
    silent = LightGateway()
    silent.line_up("/v1/light/head", problem(503, "node.starting"))
    heads = run(light_client(LightGateway(), silent, now_ms=at(100)).compare(NEVER))
    assert [getattr(each.fault, "code", None) for each in heads] == [None, "node.starting"]
    assert heads[1].form()["fault"] == {"code": "node.starting", "detail": "No."}


def fork_of(first: LightBlock, second: LightBlock) -> bytes:
    return encode(Fork(NETWORK, first, second, A, B))


OTHER = forked({97: {"app_hash": bytes(32)}}).block(97)
NO_FORKS = {
    "light.malformed": b"nonsense",
    "light.header": fork_of(SignedChain().block(97), SignedChain().block(97)),
    "light.height": fork_of(SignedChain().block(96), OTHER),
    "light.validators": fork_of(CHANGING.block(45), forked({45: {"app_hash": bytes(32)}}).block(45)),
    "light.power": fork_of(SignedChain().block(97), edited(OTHER, lambda it: with_vote(with_vote(it, 0, None), 1, None))),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(NO_FORKS))
def test_what_is_no_evidence_of_a_fork_is_refused(code: str) -> None:
    with pytest.raises(LightInvalid) as found:
        check_fork(NO_FORKS[code], GENESIS)
    assert found.value.code == code


def test_evidence_of_a_fork_of_another_network_is_refused() -> None:
    with pytest.raises(LightInvalid) as found:
        check_fork(fork_of(SignedChain().block(97), OTHER), REAL_GENESIS)
    assert found.value.code == "light.chain"


# proofs of a state


def test_the_header_after_a_block_has_its_app_hash() -> None:
    client = light_client(LightGateway(head=101), now_ms=at(101))
    wanted = SignedChain().block(101).signed.header.app_hash
    assert run(client.require_app_hash(wanted, 100, A, NEVER)).signed.header.height == 101


def test_an_app_hash_that_did_not_change_needs_no_further_block() -> None:
    gateway = LightGateway(head=101)
    client = light_client(gateway, now_ms=at(101))
    wanted = head(client).signed.header.app_hash
    before = len(gateway.requests)
    run(client.require_app_hash(wanted, 99, A, NEVER))
    assert len(gateway.requests) == before


def test_an_app_hash_that_nobody_signed_is_refused() -> None:
    client = light_client(LightGateway(head=101), now_ms=at(101))
    assert caught(client.require_app_hash(bytes(32), 100, A, NEVER), GatewayAlters).reason == "light.app_hash"


def test_an_old_state_is_no_news() -> None:
    client = light_client(LightGateway(head=101), now_ms=at(101) + 120_000)
    wanted = SignedChain().block(51).signed.header.app_hash
    assert caught(client.require_app_hash(wanted, 50, A, NEVER), GatewayDelays)


def test_a_next_block_that_does_not_come_is_a_delay() -> None:
    client = light_client(LightGateway(head=100), now_ms=at(100))
    assert caught(client.require_app_hash(bytes(32), 100, A, NEVER), GatewayDelays)

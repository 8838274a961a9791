"""The verifier in JavaScript judges evidence of validators as the one in Python does, rule by rule."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import pytest

from independent.forging import as_base64
from independent.hostile import some_value
from independent.judging import NODE, WITHOUT_NODE, Case, disagreements, in_javascript, install, run
from support.engine_signatures import NON_CANONICAL, SMALL_ORDER
from support.ledger import Key
from support.light_chain import (
    FOUNDERS,
    REAL,
    REAL_GENESIS,
    LightChain,
    light_genesis,
    set_of,
    with_commit,
    with_header,
    with_vote,
)
from support.light_receipt import (
    CHAIN,
    DOCUMENT,
    GENESIS,
    HANDOVERS,
    HEIGHT,
    SECOND,
    THIRD,
    TIME_MS,
    last_header,
    light_receipt,
    receipt_with,
)
from traco.client.verify import verify
from traco.kernel.codec import encode
from traco.kernel.genesis import Genesis, GenesisInvalid, network_id, parse_genesis, write_genesis
from traco.kernel.light import (
    BlockId,
    Commit,
    Evidence,
    Handover,
    LightInvalid,
    Moment,
    SignedHeader,
    Validator,
    Vote,
    address,
    chain_id,
    founding_validators,
    header_hash,
    make_evidence,
    total_power,
    trim,
    validators_hash,
    verify_evidence,
)

pytestmark = pytest.mark.skipif(NODE is None, reason=WITHOUT_NODE)

LAST: Final = last_header()
GOOD: Final = make_evidence(HANDOVERS, LAST)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("javascript") / "verifier")


@pytest.fixture
def agree(verifier: Path) -> Callable[..., list[str]]:
    """Both verifiers say the same of evidence under a genesis; what they say."""

    def check(cases: list[bytes], genesis: Genesis = GENESIS) -> list[str]:
        rest = {"network": network_id(genesis).hex(), "genesis": as_base64(write_genesis(genesis))}
        answers: list[str] = run(
            "run_evidence.mjs", verifier, [{"evidence": as_base64(raw), **rest} for raw in cases]
        )
        assert answers == [in_python(raw, genesis) for raw in cases]
        return answers

    return check


def in_python(raw: bytes, genesis: Genesis) -> str:
    try:
        proof = verify_evidence(raw, chain_id(network_id(genesis)), founding_validators(genesis))
    except LightInvalid as error:
        return error.code
    facts = (
        proof.height, proof.time_ms, proof.app_hash.hex(), len(proof.signers), total_power(proof.validators),
        proof.handovers,
    )  # fmt: skip
    return " ".join(map(str, facts))


def evidence(last: SignedHeader, *handovers: Handover) -> bytes:
    return encode(Evidence(handovers, last))


def test_evidence_of_a_real_chain_is_valid(agree: Callable[..., list[str]]) -> None:
    changes = [block for block in REAL.values() if block.validators != block.next_validators]
    handovers = [Handover(trim(each.signed, each.validators), each.next_validators) for each in changes]
    cases = []
    for height, block in REAL.items():
        before = [each for each in handovers if each.signed.header.height < height]
        cases.append(make_evidence(before, trim(block.signed, block.validators)))
    answers = agree(cases, REAL_GENESIS)
    assert [answer.split()[0] for answer in answers] == [str(height - 1) for height in REAL]


def test_a_receipt_that_validators_sealed_is_valid_and_proves_the_same(verifier: Path) -> None:
    verdict = in_javascript(verifier, [(light_receipt(), "g")], {"g": DOCUMENT})[0]
    expected = verify(light_receipt(), DOCUMENT)
    assert verdict.report is not None
    named = ("height", "sealed_height", "sealed_time_ms", "seal_key", "seal", "assumes")
    assert {name: verdict.report[name] for name in named} == {name: expected[name] for name in named}


def test_signatures_that_only_the_engine_accepts_prove_a_receipt_over_a_handover(verifier: Path) -> None:
    first, second = HANDOVERS
    odd = Handover(CHAIN.signed(first.signed.header, FOUNDERS, odd=["ann"]), first.next_validators)
    last = CHAIN.signed(last_header().header, THIRD, odd=["zoe"])
    raw = receipt_with(make_evidence((odd, second), last))
    assert verify(raw, DOCUMENT)["height"] == HEIGHT
    verdict = in_javascript(verifier, [(raw, "g")], {"g": DOCUMENT})[0]
    assert verdict.report is not None
    assert (verdict.code, verdict.report["height"]) == (None, HEIGHT)


def test_odd_signatures_are_counted_alike(agree: Callable[..., list[str]]) -> None:
    header = CHAIN.header(12, FOUNDERS)
    cases = [
        evidence(CHAIN.signed(header, FOUNDERS, odd=odd, absent=absent))
        for odd in (["ann"], ["ben", "cas"], FOUNDERS)
        for absent in ([], ["dot"], ["cas", "dot"])
    ]
    answers = agree(cases)
    assert [answer == "light.power" for answer in answers] == [False, False, True] * 3
    odd_vote = CHAIN.signed(header, FOUNDERS, odd=FOUNDERS).commit.votes[0]
    assert odd_vote is not None
    forged = []
    for bit in range(0, 512, 19):
        content = bytearray(odd_vote.signature)
        content[bit // 8] ^= 1 << bit % 8
        vote = msgspec.structs.replace(odd_vote, signature=bytes(content))
        forged.append(evidence(with_vote(CHAIN.signed(header, FOUNDERS), 0, vote)))
    assert set(agree(forged)) == {"light.signature"}


def test_founders_with_a_key_that_anybody_can_sign_for_prove_nothing(agree: Callable[..., list[str]]) -> None:
    for key in SMALL_ORDER[::5]:
        founding = light_genesis()
        node = {"role": "validator", "consensus": "01" + key.hex(), "power": 1_000}
        founding.modules["network"]["nodes"].append(node)
        chain, validators = chain_id(network_id(founding)), founding_validators(founding)
        header = LightChain(chain).header(12, FOUNDERS, validators_hash=validators_hash(validators))
        vote = Vote(True, address(b"\1" + key), header.time, key + bytes(32))
        commit = Commit(12, 0, BlockId(header_hash(header), 1, bytes(32)), (vote, *[None] * 4))
        assert agree([evidence(SignedHeader(header, commit))], founding) == ["light.order"]


def test_receipts_with_other_evidence_are_refused_with_the_same_code(verifier: Path) -> None:
    seals = [
        b"", make_evidence(HANDOVERS[:1], LAST), make_evidence(HANDOVERS, last_header(app_hash=bytes(32))),
        make_evidence(HANDOVERS, last_header(height=HEIGHT)), make_evidence(HANDOVERS, last_header(height=HEIGHT + 9)),
        make_evidence(HANDOVERS, last_header(time=Moment(TIME_MS // 1_000 - 1, 999_999_999))),
    ]  # fmt: skip
    cases: list[Case] = [(receipt_with(seal), "g") for seal in seals]
    cases.append((light_receipt(), "other"))
    documents = {"g": DOCUMENT, "other": write_genesis(light_genesis(name="Other"))}
    assert disagreements(verifier, cases, documents) == []


def _forgeries() -> Iterator[tuple[str, bytes]]:
    """A code, and evidence that is refused for that reason."""
    first, second = HANDOVERS
    founders = CHAIN.header(12, FOUNDERS)
    everybody = CHAIN.signed(founders, FOUNDERS)
    yield "light.power", evidence(CHAIN.signed(founders, FOUNDERS, absent=["ann", "ben"]))
    yield "light.power", evidence(CHAIN.signed(founders, FOUNDERS, absent=FOUNDERS))
    yield "light.signature", evidence(CHAIN.signed(founders, FOUNDERS, forged=["ann"]))
    yield "light.vote", evidence(CHAIN.signed(founders, FOUNDERS, against=["ann"]))
    yield "light.validators", evidence(LAST, first)
    yield "light.validators", evidence(LAST, second)
    yield "light.validators", evidence(CHAIN.block(12, THIRD).signed)
    yield "light.header", evidence(with_header(LAST, app_hash=bytes(32)), first, second)
    altered = with_header(everybody, data_hash=bytes(32))
    block = msgspec.structs.replace(everybody.commit.block, hash=header_hash(altered.header))
    yield "light.signature", evidence(with_commit(altered, block=block))
    yield "light.signature", evidence(with_commit(everybody, round=1))
    yield "light.chain", evidence(LightChain("traco-other").block(12).signed)
    yield "light.duplicate", evidence(with_vote(everybody, 1, everybody.commit.votes[0]))
    yield "light.signer", evidence(with_commit(everybody, votes=everybody.commit.votes[::-1]))
    yield "light.votes", evidence(with_commit(everybody, votes=everybody.commit.votes[:3]))
    yield "light.height", evidence(with_commit(everybody, height=13))
    yield "light.height", evidence(CHAIN.block(9, THIRD).signed, first, second)
    early = CHAIN.header(12, SECOND, time=first.signed.header.time)
    yield "light.time", evidence(CHAIN.signed(early, SECOND), first)
    yield "light.handover", evidence(everybody, CHAIN.handover(5, FOUNDERS, FOUNDERS))
    yield "light.next_validators", evidence(LAST, Handover(first.signed, set_of(THIRD)))
    yield from _odd_headers()
    yield from _odd_sets()


def _odd_headers() -> Iterator[tuple[str, bytes]]:
    """Well signed, but with values that no header has."""
    odd: list[tuple[str, dict[str, Any]]] = [
        ("light.protocol", {"block_protocol": 12}),
        ("light.app_hash", {"app_hash": b""}),
        ("light.app_hash", {"app_hash": bytes(64)}),
        ("light.malformed", {"app_hash": bytes(65)}),
        ("light.malformed", {"time": Moment(2**40, 0)}),
        ("light.malformed", {"time": Moment(5, 10**9)}),
        ("light.malformed", {"last_commit_hash": bytes(33)}),
        ("light.malformed", {"proposer": bytes(19)}),
        ("light.field", {"last_block": BlockId(b"x", 1, b"")}),
        *(("light.field", {name: bytes(31)}) for name in ("data_hash", "evidence_hash", "last_commit_hash")),
        *(("light.field", {name: bytes(1)}) for name in ("consensus_hash", "last_results_hash")),
    ]
    yield "light.malformed", evidence(with_header(LAST, height=2**53))
    for code, changes in odd:
        yield code, evidence(CHAIN.signed(CHAIN.header(12, FOUNDERS, **changes), FOUNDERS))


def _odd_sets() -> Iterator[tuple[str, bytes]]:
    """Handovers to sets that the engine never has, which the header names all the same."""
    ann, ben = set_of({"ann": 10, "ben": 10})
    many = tuple(Validator(Key("ann").public, 2**59 + number) for number in (3, 2, 1))
    huge = set_of({"ann": 2**59, "ben": 2**59, "cas": 2**59})
    scheme = (Validator(b"\2" + ann.key[1:], 10),)
    unsound = ((Validator(b"\1" + key, 10),) for key in (*SMALL_ORDER, *NON_CANONICAL))
    for following in ((ben, ann), (ann, ann), many, huge, scheme, *unsound):
        header = CHAIN.header(5, FOUNDERS, next_validators_hash=validators_hash(following))
        yield "light.order", evidence(LAST, Handover(CHAIN.signed(header, FOUNDERS), following))


def test_every_forgery_is_refused_for_the_same_reason(agree: Callable[..., list[str]]) -> None:
    forgeries = list(_forgeries())
    assert agree([raw for _, raw in forgeries]) == [code for code, _ in forgeries]


def test_changed_bytes_are_refused_for_the_same_reason(agree: Callable[..., list[str]]) -> None:
    random, forged = Random(11), []
    for position in range(0, len(GOOD), 5):
        content = bytearray(GOOD)
        content[position] ^= 1 << random.randrange(8)
        forged.append(bytes(content))
    assert all(answer.startswith("light.") for answer in agree(forged))


def test_truncated_and_longer_evidence_is_refused_for_the_same_reason(
    agree: Callable[..., list[str]],
) -> None:
    cases = [
        *(GOOD[:length] for length in range(0, len(GOOD), 7)),
        GOOD + b"\0",
        bytes(786_432),
        bytes(786_433),
    ]
    assert agree(cases)[-1] == "light.too_large"


def test_random_changes_of_the_records_are_judged_alike(agree: Callable[..., list[str]]) -> None:
    random, cases = Random(12), []
    for _ in range(1_500):
        document = msgspec.msgpack.decode(GOOD)
        place = document
        while isinstance(place, list) and place and random.random() < 0.8:
            index = random.randrange(len(place))
            if not isinstance(place[index], list):
                break
            place = place[index]
        if place:
            place[random.randrange(len(place))] = msgspec.Raw(some_value(random))
        cases.append(encode(document))
    agree(cases)


def test_the_largest_powers_and_heights_are_read_alike(agree: Callable[..., list[str]]) -> None:
    powers = {"ann": 2**60 - 10, "ben": 5}
    genesis = light_genesis(powers)
    maker = LightChain(chain_id(network_id(genesis)))
    cases = []
    for height in (1, 2**32, 2**53 - 1):
        header = maker.header(height, powers, time=Moment(253_402_300_798, 999_999_999))
        cases.append(encode(Evidence((), maker.signed(header, powers, round_=2**31 - 1))))
    assert [answer.split()[0] for answer in agree(cases, genesis)] == ["0", str(2**32 - 1), str(2**53 - 2)]


def test_terms_of_the_seal_are_read_alike(verifier: Path) -> None:
    ann: dict[str, Any] = {"role": "validator", "consensus": Key("ann").public.hex(), "power": 10}
    nodes: list[Any] = [
        [ann], [], None, {}, "x", 1, [1], [None], [[]], [ann, ann], [ann, {**ann, "power": 1}], [{}], [ann, {}],
        *([{**ann, "role": role}] for role in ("observer", None, 1, "Validator")),
        *([{**ann, "power": power}] for power in (0, -1, True, "1", None, 2**60, 2**60 - 1, [1])),
        *(
            [{**ann, "consensus": key}]
            for key in (None, 1, "", ann["consensus"].upper(), ann["consensus"] + "0", "02" + ann["consensus"][2:],
                        ann["consensus"] + "\n", "01" + "00" * 32, "01" + "zz" * 32)
        ),
        [{"role": "validator", "consensus": "01" + f"{number:064x}", "power": 1} for number in range(128)],
        [{"role": "validator", "consensus": "01" + f"{number:064x}", "power": 1} for number in range(129)],
        [{"role": "validator", "consensus": "01" + f"{number:064x}", "power": 2**59} for number in range(3)],
    ]  # fmt: skip
    seals: list[Any] = [
        {"kind": "cometbft", "key": ""}, {"kind": "cometbft", "key": Key("seal").public.hex()}, {"kind": "cometbft"},
        {"kind": "checkpoint", "key": ""}, {"kind": "CometBFT", "key": ""}, {"kind": "cometbft", "key": None},
    ]  # fmt: skip
    founding = json.loads(DOCUMENT)
    documents = {
        f"nodes {number}": json.dumps({**founding, "modules": {"network": {"nodes": each}}}).encode()
        for number, each in enumerate(nodes)
    } | {
        f"seal {number}": json.dumps({**founding, "seal": each}).encode() for number, each in enumerate(seals)
    }
    for number, modules in enumerate(({}, {"network": {}}, {"other": {"nodes": [ann]}})):
        documents[f"modules {number}"] = json.dumps({**founding, "modules": modules}).encode()
    cases: list[Case] = [(light_receipt(), name) for name in documents]
    assert disagreements(verifier, cases, documents) == []
    assert sum(_is_read(document) for document in documents.values()) == 6


def _is_read(document: bytes) -> bool:
    try:
        parse_genesis(document)
    except GenesisInvalid:
        return False
    return True

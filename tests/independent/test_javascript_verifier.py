"""The verifier in JavaScript accepts and refuses what the one in Python does, with the same codes."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from independent import hostile
from independent.forging import (
    GENESIS,
    HEIGHT,
    NETWORK,
    SEAL,
    TIME_MS,
    SigningKey,
    body_of,
    note,
    outcome_of,
    sealed,
    signed,
)
from independent.judging import (
    NODE,
    WITHOUT_NODE,
    Case,
    code_in_python,
    disagreements,
    in_javascript,
    install,
    run,
)
from support.counters import ALICE, BOB, SOLO, Add
from support.ledger import Key
from support.stored_ledger import ISSUED, StoredLedger
from support.stored_ledger import genesis as stored_genesis
from traco.client.signer import P256Signer
from traco.client.verify import verify
from traco.kernel import crypto
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import FinalityReceipt
from traco.kernel.genesis import GenesisInvalid, network_id, parse_genesis, write_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.seal import Checkpoint

pytestmark = pytest.mark.skipif(NODE is None, reason=WITHOUT_NODE)

VECTORS = Path(__file__).parents[1] / "vectors"
FILE: Codec[FinalityReceipt] = Codec(FinalityReceipt)
BODY = body_of(encode((Add(SOLO, "b", 300),)))
OUTCOME = outcome_of(BODY, encode((("counter.added/1", "b", 300),)))
RECEIPT = sealed(BODY, OUTCOME)
P256 = P256Signer.from_seed(b"p" * 32)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("javascript") / "verifier")


@pytest.fixture
def agree(verifier: Path) -> Callable[[list[bytes]], None]:
    """Say whether both verifiers agree on receipts under the genesis of the tests."""

    def check(receipts: list[bytes]) -> None:
        assert disagreements(verifier, [(raw, "g") for raw in receipts], {"g": GENESIS}) == []

    return check


def changed(**changes: Any) -> bytes:
    return encode(msgspec.structs.replace(FILE.decode(RECEIPT), **changes))


# What a ledger makes


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Receipts of a success, a rejection, and of transactions in full blocks; all under one later seal."""
    stored = StoredLedger(tmp_path_factory.mktemp("ledger"))
    identities = [stored.transfer(250), stored.transfer(2 * ISSUED)]
    for _ in range(3):
        stored.trade(blocks=1, per_block=37)
        identities += [answer.identity for answer in stored.answers[::6]]
    receipts = [stored.receipt(identity) for identity in identities]
    stored.close()
    return receipts


def test_genuine_receipts_are_valid_and_prove_the_same(verifier: Path, genuine: list[bytes]) -> None:
    document = write_genesis(stored_genesis())
    verdicts = in_javascript(verifier, [(raw, "g") for raw in genuine], {"g": document})
    named = (
        "valid", "network", "network_name", "transaction", "outcome", "failure", "signers", "height", "time_ms",
        "sealed_height", "sealed_time_ms", "seal_key", "assumes",
    )  # fmt: skip
    for raw, verdict in zip(genuine, verdicts, strict=True):
        expected = verify(raw, document)
        assert verdict.code is None
        assert verdict.report is not None
        assert {name: verdict.report[name] for name in named} == {name: expected[name] for name in named}


def test_instructions_and_events_are_shown_by_type_with_their_values(
    verifier: Path, genuine: list[bytes]
) -> None:
    document = write_genesis(stored_genesis())
    verdict = in_javascript(verifier, [(genuine[0], "g")], {"g": document})[0]
    expected = verify(genuine[0], document)
    assert verdict.report is not None
    for part in ("instructions", "events"):
        assert [{"type": item["type"], "values": item["values"]} for item in verdict.report[part]] == [
            {"type": item["type"], "values": [value for name, value in item.items() if name != "type"]}
            for item in expected[part]
        ]


def test_what_is_no_instruction_is_shown_as_it_is(verifier: Path) -> None:
    body = body_of(encode((5, ["later.thing/1", b"\x01", 2**60, "\ufeff"], [7], [])))
    verdict = in_javascript(verifier, [(sealed(body, outcome_of(body)), "g")], {"g": GENESIS})[0]
    assert verdict.report is not None
    assert verdict.report["instructions"] == [
        {"type": "unknown", "values": [5]},
        {
            "type": "later.thing/1",
            "values": ["01", str(2**60), "\ufeff"],
        },  # here it went through JSON, as text
        {"type": "unknown", "values": [7]},
        {"type": "unknown", "values": []},
    ]


@pytest.mark.parametrize(
    "keys",
    [[], [P256], [SigningKey(ALICE), P256], [SigningKey(ALICE), SigningKey(BOB), P256]],
    ids=["nobody", "P-256", "both", "three"],
)
def test_signatures_of_both_schemes_are_valid(verifier: Path, keys: list[Any]) -> None:
    raw = sealed(BODY, OUTCOME, signed(BODY, *keys))
    assert in_javascript(verifier, [(raw, "g")], {"g": GENESIS})[0].code is None


@pytest.mark.parametrize("count", [1, 2, 3, 8, 33])
def test_every_place_in_a_block_and_in_the_history_is_valid(verifier: Path, count: int) -> None:
    made = [sealed(BODY, OUTCOME, index=index, count=count, blocks=2 + index) for index in range(count)]
    verdicts = in_javascript(verifier, [(raw, "g") for raw in made], {"g": GENESIS})
    assert [verdict.code for verdict in verdicts] == [None] * count


# What somebody changed


def test_every_changed_byte_is_refused_with_the_same_code(
    verifier: Path, agree: Callable[[list[bytes]], None]
) -> None:
    random, both = Random(4), sealed(BODY, OUTCOME, signed(BODY, SigningKey(ALICE), P256))
    forged = []
    for raw in (RECEIPT, both):
        for position in range(len(raw)):
            content = bytearray(raw)
            content[position] ^= 1 << random.randrange(8)
            forged.append(bytes(content))
    agree(forged)
    assert all(code_in_python(raw, GENESIS) for raw in forged)


def test_truncated_and_longer_receipts_are_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    tails = [RECEIPT + tail for tail in (b"\0", b"\xc0", RECEIPT)]
    agree([*(RECEIPT[:length] for length in range(len(RECEIPT))), *tails])


def test_too_large_receipts_are_refused_with_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    agree([bytes(1_048_577), bytes(1_048_576), changed(transaction=bytes(1_048_576))])


def test_an_amount_changed_in_the_outcome_with_leaf_and_root_recomputed_is_refused(
    agree: Callable[[list[bytes]], None],
) -> None:
    more = outcome_of(BODY, encode((("counter.added/1", "b", 301),)))
    forged = FILE.decode(sealed(BODY, more))
    raw = encode(msgspec.structs.replace(forged, seal=FILE.decode(RECEIPT).seal))
    assert code_in_python(raw, GENESIS) == "receipt.seal"
    agree([raw])


def test_an_amount_changed_in_the_transaction_with_everything_recomputed_is_refused(
    agree: Callable[[list[bytes]], None],
) -> None:
    more = body_of(encode((Add(SOLO, "b", 301),)))
    raw = sealed(more, outcome_of(more), signed(BODY, SigningKey(ALICE)))
    assert code_in_python(raw, GENESIS) == "receipt.signature"
    agree([raw])


def test_parts_that_do_not_belong_together_are_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    file, elsewhere = FILE.decode(RECEIPT), body_of(network=b"n" * 32)
    block = file.block
    agree([
        changed(receipt=outcome_of(body_of())), changed(network=b"n" * 32), changed(history_index=2), changed(leaf_index=3),
        changed(leaf_index=2**32 - 1), changed(transaction=file.transaction + b"\0"), changed(receipt=file.receipt + b"\0"), changed(history_size=2**53 - 1), changed(transaction_path=()),
        changed(history_path=file.history_path * 2), changed(receipt_path=(b"x" * 32,) * 64),
        changed(receipt_path=(b"x" * 32,) * 65), changed(state_root=b"x" * 32), changed(history_size=4),
        changed(block=msgspec.structs.replace(block, leaf_count=2)), changed(block=msgspec.structs.replace(block, leaf_count=0)),
        sealed(elsewhere, outcome_of(elsewhere)), sealed(elsewhere, outcome_of(elsewhere), network=b"n" * 32),
        sealed(BODY, OUTCOME, key=Key("other")), sealed(BODY, OUTCOME, later_ms=-1), sealed(BODY, OUTCOME, later_ms=0),
    ])  # fmt: skip


def test_changed_seals_are_refused_with_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    random, seal = Random(5), FILE.decode(RECEIPT).seal
    hashed = seal.split(b"\n")[3]
    seals = [
        b"", b"\n" * 6, seal + b"\n", seal[:-1], seal.replace(b"\n", b"\r\n"), seal + bytes(512), seal + seal,
        seal.replace(b"\n%d\n" % (HEIGHT + 9), b"\n0%d\n" % (HEIGHT + 9)), seal.replace(b"\n%d\n" % (HEIGHT + 9), b"\n\n"),
        seal.replace(b"\n%d\n" % (HEIGHT + 9), b"\n%d\n" % 2**53), seal.replace(hashed, hashed[:-1]),
        seal.replace(hashed, hashed + b"="), seal.replace(hashed, b"A" + hashed), seal.replace("—".encode(), b"-"),
        seal.replace(hashed, hashed.replace(b"=", b"")), seal.replace(hashed, hashed.swapcase()), seal.upper(),
    ]  # fmt: skip
    for _ in range(600):
        content, position = bytearray(seal), random.randrange(len(seal))
        content[position : position + random.randrange(2)] = random.choice(
            (b"", b"=", b"0", b"\n", b" ", b"/", b"\xff")
        )
        seals.append(bytes(content))
    agree([changed(seal=each) for each in seals])


def test_old_seals_are_refused_with_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    made = [
        sealed(BODY, OUTCOME, later_blocks=blocks, later_ms=later)
        for blocks in (-1, 0, 1)
        for later in (-1, 0, 1)
    ]
    assert [code_in_python(raw, GENESIS) for raw in made].count("receipt.seal") == 5
    agree([*made, changed(seal=note(Checkpoint(1, 1, b"h" * 32), SEAL, b"n" * 32))])


def test_fields_at_and_beyond_their_bounds_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    until, block = TIME_MS + 1, FILE.decode(RECEIPT).block
    bodies = [
        encode([tag, NETWORK, ledger, valid_until, salt, []])
        for tag, ledger, valid_until, salt in (
            (1, b"", until, bytes(16)), (1, b"l" * 32, 0, bytes(16)), (1, b"l" * 33, until, bytes(16)), (1, b"", -1, bytes(16)),
            (1, b"", 2**53 - 1, bytes(16)), (1, b"", 2**53, bytes(16)), (1, b"", until, bytes(15)), (2, b"", until, bytes(16)),
        )
    ]  # fmt: skip
    keys = [[[bytes([1]) * length, bytes(value)]] for length in (32, 33, 34, 35) for value in (64, 65, 66)]
    agree([
        *(sealed(body, outcome_of(body)) for body in bodies),
        *(changed(transaction=b"\x92" + BODY + encode(signatures)) for signatures in keys),
        *(changed(leaf_index=value) for value in (-1, 2**32 - 1, 2**32, 2**53)),
        *(changed(history_index=value) for value in (-1, 2**32, 2**53 - 1, 2**53)),
        *(changed(history_size=value) for value in (-1, 0, 1, 2, 2**53 - 1, 2**53)),
        *(changed(network=NETWORK[:length]) for length in (0, 31)), changed(state_root=bytes(33)), changed(history_root=b""),
        *(changed(block=msgspec.structs.replace(block, height=value)) for value in (-1, 2**53 - 1, 2**53)),
        *(changed(block=msgspec.structs.replace(block, leaf_count=value)) for value in (-1, 1, 2**32 - 1, 2**32)),
    ])  # fmt: skip


# What two readers of one format might read differently


def test_unusual_values_in_what_is_sealed_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    empty, receipts = body_of(), []
    for value in hostile.edges():
        body = body_of(b"\x91" + value)
        receipts += [
            sealed(body, outcome_of(body)), sealed(empty, outcome_of(empty, b"\x91" + value)),
            sealed(empty, outcome_of(empty, failure=value)), sealed(empty, value),
            sealed(empty, outcome_of(empty, failure=b"\x92\xa1x\x91\x92\xa1y" + value)),
        ]  # fmt: skip
    agree(receipts)


def test_random_values_in_what_is_sealed_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    random, receipts = Random(6), []
    for _ in range(2_000):
        value = hostile.some_value(random)
        body = body_of(b"\x91" + value if random.random() < 0.5 else value)
        receipts.append(sealed(body, outcome_of(body)))
    agree(receipts)


def test_random_changes_of_the_records_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    random, names = Random(7), FinalityReceipt.__struct_fields__
    parts = [encode(each) for each in ("traco.receipt/1", *msgspec.structs.astuple(FILE.decode(RECEIPT)))]
    receipts = []
    for _ in range(1_500):
        mixed = list(parts)
        mixed[random.randrange(len(names) + 1)] = hostile.some_value(random)
        receipts.append(b"\x9e" + b"".join(mixed))
    agree(receipts)


@pytest.mark.parametrize("depth", [100, 700, 2_000, 100_000])
def test_deep_nesting_gets_the_same_code(agree: Callable[[list[bytes]], None], depth: int) -> None:
    bomb = b"\x91" * depth + b"\xc0"
    body = body_of(bomb)
    agree([
        sealed(body, outcome_of(body)), changed(transaction=b"\x92" + bomb + b"\x90"), bomb,
        changed(receipt=OUTCOME[:-1] + bomb),
    ])  # fmt: skip


def test_genesis_documents_are_read_alike(verifier: Path) -> None:
    random, cases, documents = Random(8), list[Case](), dict[str, bytes]()
    for number in range(2_000):
        documents[str(number)] = hostile.some_genesis(random, GENESIS)
        cases.append((_receipt_under(documents[str(number)]), str(number)))
    assert disagreements(verifier, cases, documents) == []


def test_every_odd_value_at_every_place_of_the_genesis_is_read_alike(verifier: Path) -> None:
    cases, documents = list[Case](), dict[str, bytes]()
    for field in ("name", "protocol", "time_ms", "format", "purpose", "seal", "modules", "parameters"):
        for number, fragment in enumerate(hostile.FRAGMENTS):
            rest = {key: value for key, value in json.loads(GENESIS).items() if key != field}
            text = json.dumps(rest)[:-1] + f', "{field}": {fragment}}}'
            name = f"{field} {number}"
            documents[name] = text.encode()
            cases.append((_receipt_under(documents[name]), name))
    assert disagreements(verifier, cases, documents) == []


def _receipt_under(document: bytes) -> bytes:
    """A receipt that is valid only where the document has the network id that Python finds."""
    try:
        network = network_id(parse_genesis(document))
    except GenesisInvalid:
        network = NETWORK
    body = body_of(network=network)
    return sealed(body, outcome_of(body), network=network)


def test_the_bounds_of_the_kernels_parameters_are_the_same(verifier: Path) -> None:
    cases, documents = list[Case](), dict[str, bytes]()
    for field in msgspec.structs.fields(KernelParameters):
        for most in (0, 1, 16, 1_024, 60_000, 65_024, 65_536, 86_400_000, 1_048_064, 67_108_864, 2**53 - 1):
            for value in (most - 1, most, most + 1):
                name = f"{field.name} {value}"
                limits = b'"parameters": {"kernel": {"%s": %d}}' % (field.name.encode(), value)
                documents[name] = GENESIS.replace(b'"parameters": {}', limits)
                cases.append((RECEIPT, name))
    assert disagreements(verifier, cases, documents) == []
    codes = {code_in_python(raw, documents[name]) for raw, name in cases}
    assert codes == {"receipt.genesis_invalid", "receipt.other_network"}


@pytest.mark.parametrize("depth", [100, 700, 2_000, 100_000])
def test_deep_genesis_documents_are_read_alike(verifier: Path, depth: int) -> None:
    nested = b'"modules": {"a": {"x": ' + b"[" * depth + b"]" * depth + b"}}"
    document = GENESIS.replace(b'"modules": {}', nested)
    assert document != GENESIS
    assert disagreements(verifier, [(RECEIPT, "g")], {"g": document}) == []


# Signatures


@pytest.mark.parametrize("name", ["ed25519.json", "p256.json"])
def test_signatures_at_the_edges_are_judged_by_the_ledgers_rule(verifier: Path, name: str) -> None:
    cases = json.loads((VECTORS / name).read_bytes())
    expected = [case["valid"] if "valid" in case else case["code"] is None for case in cases]
    assert run("run_signatures.mjs", verifier, cases) == expected


def test_changed_signatures_are_judged_alike(verifier: Path) -> None:
    random, cases = Random(9), []
    for signer in (SigningKey(ALICE), P256):
        for _ in range(300):
            key, message = bytearray(signer.public_key), b"a message"
            signature = bytearray(signer.sign(message))
            changing = random.choice((key, signature))
            changing[random.randrange(len(changing))] ^= 1 << random.randrange(8)
            cases.append({"key": key.hex(), "message": message.hex(), "signature": signature.hex()})
    expected = [crypto.is_valid(*map(bytes.fromhex, (c["key"], c["message"], c["signature"]))) for c in cases]
    assert run("run_signatures.mjs", verifier, cases) == expected

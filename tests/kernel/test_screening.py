"""Every refusal that bytes alone can earn, each limit at its boundary, and that nothing is ever raised."""

import tracemalloc
from typing import Any

import msgspec
import msgspec.inspect
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.counters import SOLO, Add, AddLater, counter_registry
from support.ledger import Key
from traco.kernel.codec import Record, encode
from traco.kernel.instruction import Instruction, KernelParameters, PartyInstruction
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Module
from traco.kernel.registry import Registry
from traco.kernel.screening import DirectScreener, Screened, ScreenedEnvelope, encode_transaction
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    RawTransaction,
    Signature,
    envelope_id,
    envelope_signing_message,
    signatures_hash,
    signing_message,
    transaction_id,
)
from traco.modules.composition import compose

NETWORK = b"n" * 32
REGISTRY = counter_registry()
LIMITS = KernelParameters()
SCREENER = DirectScreener(REGISTRY.body, LIMITS)
ALICE, BOB = sorted((Key("alice"), Key("bob")), key=lambda key: key.public)
ADD = Add(SOLO, "x", 1)


def body_of(*instructions: Any) -> bytes:
    return encode(Body(NETWORK, b"", 5, b"s" * 16, instructions))


def signed(body: bytes, *keys: Key) -> bytes:
    return encode_transaction(
        body, tuple(key.signature(signing_message(transaction_id(body))) for key in keys)
    )


def screen(raw: bytes, screener: DirectScreener = SCREENER) -> Screened:
    return screener.screen([raw])[0]


def code(raw: bytes, screener: DirectScreener = SCREENER) -> str:
    refusal = screen(raw, screener).refusal
    assert refusal is not None
    return refusal.code


def fields(raw: bytes, screener: DirectScreener = SCREENER) -> dict[str, Any]:
    refusal = screen(raw, screener).refusal
    assert refusal is not None
    return dict(refusal.fields)


def limited(**limits: int) -> DirectScreener:
    return DirectScreener(REGISTRY.body, KernelParameters(**limits))


def test_a_good_transaction_is_known_by_id_signatures_and_signers() -> None:
    body = body_of(ADD)
    signature = ALICE.signature(signing_message(transaction_id(body)))
    assert screen(signed(body, ALICE)) == Screened(
        transaction_id(body), signatures_hash((signature,)), (ALICE.public,), None
    )


def test_signers_are_in_the_order_of_their_keys() -> None:
    assert screen(signed(body_of(ADD), BOB, ALICE)).signers == (ALICE.public, BOB.public)


def test_no_signature_is_well_formed() -> None:
    assert screen(signed(body_of(ADD))).refusal is None


def test_answers_come_in_order() -> None:
    good = signed(body_of(ADD), ALICE)
    assert [answer.refusal is None for answer in SCREENER.screen([good, b"", good])] == [True, False, True]


GOOD = signed(body_of(ADD), ALICE)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc0", GOOD + b"\0", GOOD[1:], GOOD[:-1], b"\x91\x90", b"\x92\xc0\xc0"]
)
def test_what_is_no_transaction_is_malformed(raw: bytes) -> None:
    assert code(raw) == "transaction.malformed"


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_a_truncated_transaction_is_malformed(length: int) -> None:
    assert code(GOOD[:length]) == "transaction.malformed"


def test_a_body_that_is_no_body_is_malformed() -> None:
    assert code(signed(encode([1, 2]), ALICE)) == "transaction.malformed"


@pytest.mark.parametrize(
    "instruction",
    [
        ["counter.add/1", SOLO, "x", -1],
        ["counter.add/1", SOLO, "x", 2**32],
        ["counter.add/1", SOLO, "x", 1.0],
        ["counter.add/1", SOLO, "x", True],
        ["counter.add/1", SOLO, b"x", 1],
        ["counter.add/1", SOLO, "x y", 1],
        ["counter.add/1", "s" * 16, "x", 1],
        ["counter.add/1", SOLO[1:], "x", 1],
        ["counter.add/1", SOLO, "x", 1, 1],
        ["counter.add/1", SOLO, "x"],
        {"type": "counter.add/1"},
        [7],
        [],
        None,
    ],
)
def test_an_instruction_with_wrong_fields_is_malformed(instruction: Any) -> None:
    assert code(signed(body_of(instruction), ALICE)) == "transaction.malformed"


def test_text_that_is_not_utf8_is_malformed() -> None:
    assert code(signed(body_of(ADD).replace(b"\xa1x", b"\xa1\xff"), ALICE)) == "transaction.malformed"


@pytest.mark.parametrize("field", range(1, 5))
def test_a_head_of_another_length_is_malformed(field: int) -> None:
    values: list[Any] = [1, NETWORK, b"", 5, b"s" * 16, [ADD]]
    values[field] = b"x" * 33
    assert code(signed(encode(values), ALICE)) == "transaction.malformed"


def test_another_version_of_the_body_is_malformed() -> None:
    assert code(signed(encode([2, NETWORK, b"", 5, b"s" * 16, [ADD]]), ALICE)) == "transaction.malformed"


def test_a_transaction_without_instructions_is_malformed() -> None:
    assert fields(signed(body_of(), ALICE)) == {"reason": "it has no instruction"}


def test_deep_nesting_is_malformed_whatever_the_callers_stack() -> None:
    def deeper(levels: int, raw: bytes) -> str:
        return deeper(levels - 1, raw) if levels else code(raw)

    bomb = b"\x92" + b"\x91" * 700 + b"\xc0" + b"\x90"
    assert {deeper(levels, bomb) for levels in (0, 300, 500)} == {"transaction.malformed"}
    assert code(b"\x92" + b"\x91" * 60_000 + b"\xc0" + b"\x90") == "transaction.malformed"


def test_a_hostile_reason_is_cut() -> None:
    raw = signed(body_of(["counter.add/1", SOLO, "x" * 5_000, 1]), ALICE)
    assert code(raw) == "transaction.malformed"
    assert len(fields(raw)["reason"]) <= 200


def test_a_signature_of_wrong_length_is_malformed() -> None:
    assert code(encode([msgspec.Raw(body_of(ADD)), [[ALICE.public, bytes(64)]]])) == "transaction.malformed"


def test_another_encoding_of_the_body_is_not_canonical() -> None:
    body = body_of(ADD).replace(b"\xa1x\x01", b"\xa1x\xcc\x01")
    assert code(signed(body, ALICE)) == "transaction.not_canonical"


def test_a_default_left_out_is_not_canonical() -> None:
    assert AddLater(SOLO, "x", 1).cancelled is False
    assert code(signed(body_of(["counter.add_later/1", SOLO, "x", 1]), ALICE)) == "transaction.not_canonical"


def test_another_encoding_of_the_signatures_is_not_canonical() -> None:
    assert code(GOOD.replace(b"\x91\x92\xc4", b"\xdc\x00\x01\x92\xc4", 1)) == "transaction.not_canonical"


@pytest.mark.parametrize(
    "name", ["nope/1", "counter.add/2", "it's/1", "'", "", "a\nb", "é", "x' - at `$[5][0][0]`"]
)
def test_an_unknown_instruction_is_named(name: str) -> None:
    raw = signed(body_of(ADD, [name, SOLO]), ALICE)
    assert code(raw) == "transaction.unknown_instruction"
    assert fields(raw) == {"name": name}


def test_the_name_of_an_unknown_instruction_is_cut() -> None:
    assert fields(signed(body_of(["x" * 5_000]), ALICE)) == {"name": "x" * 64}


class Left(Record, frozen=True, tag="left"):
    pass


class Right(Record, frozen=True, tag="right"):
    pass


class Choose(PartyInstruction, frozen=True, tag="choice.choose/1"):
    side: Left | Right
    sides: tuple[Left | Right, ...]


class ChoiceModule(Module):
    name = "choice"
    prefix = 0xE1

    def __init__(self) -> None:
        super().__init__()
        self.instructions: dict[type[Instruction], Any] = {Choose: lambda context, message: None}


@pytest.mark.parametrize("arguments", [[["up"], []], [["left"], [["up"]]]])
def test_an_unknown_tag_inside_a_known_instruction_is_malformed(arguments: list[Any]) -> None:
    authority = REGISTRY.authority
    choices = DirectScreener(Registry([KernelModule(authority), ChoiceModule()], authority).body, LIMITS)
    assert (
        screen(signed(body_of(["choice.choose/1", SOLO, ["left"], [["right"]]]), ALICE), choices).refusal
        is None
    )
    raw = signed(body_of(["choice.choose/1", SOLO, *arguments]), ALICE)
    assert code(raw, choices) == "transaction.malformed"
    assert code(raw) == "transaction.unknown_instruction"


def test_the_bytes_of_a_transaction_are_limited() -> None:
    parts = [AddLater(SOLO, "y" * 64, 5)] * 20
    raw = signed(body_of(*parts), ALICE)
    assert screen(raw, limited(max_transaction_bytes=len(raw))).refusal is None
    assert fields(raw, limited(max_transaction_bytes=len(raw) - 1)) == {
        "what": "the transaction", "size": len(raw), "limit": len(raw) - 1,
    }  # fmt: skip


@pytest.mark.parametrize(("count", "expected"), [(3, None), (4, "transaction.too_large")])
def test_the_number_of_instructions_is_limited(count: int, expected: str | None) -> None:
    refusal = screen(signed(body_of(*[ADD] * count), ALICE), limited(max_instructions=3)).refusal
    assert (refusal and refusal.code) == expected


@pytest.mark.parametrize(("count", "expected"), [(3, None), (4, "transaction.too_large")])
def test_the_number_of_signatures_is_limited(count: int, expected: str | None) -> None:
    keys = [Key(str(number)) for number in range(count)]
    refusal = screen(signed(body_of(ADD), *keys), limited(max_signatures=3)).refusal
    assert (refusal and refusal.code) == expected


def test_a_signature_over_something_else_is_wrong() -> None:
    body = body_of(ADD)
    message = signing_message(transaction_id(body))
    signatures = (ALICE.signature(message), Signature(BOB.public, BOB.sign(b"other")))
    raw = encode_transaction(body, signatures)
    assert code(raw) == "transaction.signature_invalid"
    assert fields(raw) == {"index": 1}


def test_a_refused_transaction_has_no_id() -> None:
    body = body_of(ADD)
    answer = screen(encode_transaction(body, (Signature(ALICE.public, BOB.sign(b"")),)))
    assert (answer.identity, answer.signatures, answer.signers) == (b"", b"", ())


def unsorted(body: bytes, *keys: Key) -> bytes:
    message = signing_message(transaction_id(body))
    return encode(RawTransaction(msgspec.Raw(body), tuple(key.signature(message) for key in keys)))


def test_signatures_out_of_order_are_refused() -> None:
    assert code(unsorted(body_of(ADD), BOB, ALICE)) == "transaction.signature_order"


def test_a_key_that_signs_twice_is_refused() -> None:
    assert code(unsorted(body_of(ADD), ALICE, ALICE)) == "transaction.signature_order"


def envelope(
    transactions: tuple[bytes, ...] = (b"t",),
    key: Key = ALICE,
    signer: Key | None = None,
    named: Key | None = None,
) -> bytes:
    body = EnvelopeBody(NETWORK, b"", SOLO, 5, b"s" * 16, transactions)
    message = envelope_signing_message(envelope_id(body), (named or key).public)
    return encode(Envelope(body, Signature(key.public, (signer or key).sign(message))))


def refused(raw: bytes, screener: DirectScreener = SCREENER) -> str:
    answer = screener.screen_envelope(raw)
    assert answer.refusal is not None
    assert answer == ScreenedEnvelope(None, b"", b"", answer.refusal)
    return answer.refusal.code


def test_a_good_envelope_is_known_by_its_id() -> None:
    answer = SCREENER.screen_envelope(envelope())
    assert answer.envelope is not None
    assert answer.refusal is None
    assert answer.identity == envelope_id(answer.envelope.body)
    assert answer.signatures == signatures_hash((answer.envelope.signature,))


def test_its_transactions_are_not_judged() -> None:
    assert SCREENER.screen_envelope(envelope((b"", b"\xff"))).refusal is None


def test_an_empty_envelope_is_malformed() -> None:
    assert refused(envelope(())) == "transaction.malformed"


@pytest.mark.parametrize(
    "raw", [b"", b"\x92", envelope() + b"\0", envelope()[:-1], b"\x92" + b"\x91" * 5_000]
)
def test_what_is_no_envelope_is_malformed(raw: bytes) -> None:
    assert refused(raw) == "transaction.malformed"


def test_another_encoding_of_an_envelope_is_not_canonical() -> None:
    assert refused(envelope().replace(b"\xc4\x01t", b"\xc5\x00\x01t")) == "transaction.not_canonical"


def test_an_envelope_signed_by_another_key_is_refused() -> None:
    assert refused(envelope(signer=BOB)) == "transaction.signature_invalid"


def test_a_nodes_signature_cannot_be_claimed_by_another_key() -> None:
    assert refused(envelope(key=BOB, named=ALICE)) == "transaction.signature_invalid"


@pytest.mark.parametrize(("count", "expected"), [(3, None), (4, "transaction.too_large")])
def test_the_number_of_transactions_is_limited(count: int, expected: str | None) -> None:
    refusal = limited(max_envelope_transactions=3).screen_envelope(envelope((b"t",) * count)).refusal
    assert (refusal and refusal.code) == expected


def test_the_bytes_of_an_envelope_are_limited() -> None:
    raw = envelope((bytes(2_000),))
    sizes = {"max_transaction_bytes": 1_024, "max_envelope_bytes": len(raw)}
    assert limited(**sizes).screen_envelope(raw).refusal is None
    sizes["max_envelope_bytes"] -= 1
    assert refused(raw, limited(**sizes)) == "transaction.too_large"


@given(st.binary(max_size=200))
@example(b"\xdd\xff\xff\xff\xff")
def test_random_bytes_have_an_answer(raw: bytes) -> None:
    assert screen(raw).refusal is not None
    assert SCREENER.screen_envelope(raw).refusal is not None


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_has_an_answer_that_is_a_refusal(position: int, difference: int) -> None:
    forged = bytearray(GOOD)
    forged[position] ^= difference
    assert screen(bytes(forged)).refusal is not None


@given(st.recursive(st.none() | st.booleans() | st.integers(-5, 2**40) | st.binary(max_size=20) | st.text(max_size=9)
                    | st.floats(), lambda inner: st.lists(inner, max_size=4)))  # fmt: skip
def test_any_value_as_body_has_an_answer(value: Any) -> None:
    assert screen(signed(encode(value), ALICE)).refusal is not None


@pytest.mark.parametrize("head", [b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"])
def test_a_hostile_length_takes_no_memory(head: bytes) -> None:
    bombs = [
        head + b"\xff\xff\xff\xff",
        b"\x92" + head + b"\x7f\xff\xff\xff" + bytes(1_000),
        signed(body_of(ADD)[:-1] + head + b"\xff\xff\xff\xff", ALICE),
    ]
    tracemalloc.start()
    try:
        for bomb in bombs:
            assert screen(bomb).refusal is not None
            assert SCREENER.screen_envelope(bomb).refusal is not None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_small_elements_take_memory_in_proportion() -> None:
    bomb = (
        b"\x92\x96\x01\xc4\x20"
        + NETWORK
        + b"\xc4\x00\x05\xc4\x10"
        + bytes(16)
        + b"\xdd\x00\x00\xea\x60"
        + b"\x90" * 60_000
    )
    tracemalloc.start()
    try:
        assert code(bomb) == "transaction.malformed"
        assert tracemalloc.get_traced_memory()[1] < 100 * len(bomb)
    finally:
        tracemalloc.stop()


def deeper(frames: int, raw: bytes) -> Screened:
    """The answer of a caller that much deeper in the stack."""
    return screen(raw) if frames == 0 else deeper(frames - 1, raw)


NEST = b"\x91" * 800 + b"\x90"
SIGNATURES = GOOD[1 + len(body_of(ADD)) :]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\x92" + NEST + b"\x90", "transaction.malformed"),
        (b"\x92" + NEST + b"\x9f" + b"\xc0" * 15, "transaction.malformed"),
        (b"\x92" + NEST, "transaction.malformed"),
        (b"\x93" + NEST + b"\x90\x90", "transaction.malformed"),
        (NEST, "transaction.malformed"),
        (b"\xdc\0\2" + NEST + b"\x90", "transaction.not_canonical"),
        (b"\xdd\0\0\0\2" + NEST + b"\x90", "transaction.not_canonical"),
        (b"\x92" + body_of()[:-1] + b"\x91" + NEST + SIGNATURES, "transaction.malformed"),
        (b"\x92" + body_of(ADD) + NEST, "transaction.malformed"),
    ],
)
def test_the_answer_to_hostile_nesting_is_the_same_from_every_stack(raw: bytes, expected: str) -> None:
    assert code(raw) == expected
    assert deeper(300, raw) == screen(raw)


def test_a_transaction_too_large_is_refused_for_its_size_however_it_nests() -> None:
    assert code(b"\x92" + NEST, limited(max_transaction_bytes=len(NEST))) == "transaction.too_large"


def test_another_form_of_the_pair_is_not_canonical() -> None:
    assert code(b"\xdc\0\2" + GOOD[1:]) == "transaction.not_canonical"


def test_a_canonical_body_without_signatures_is_malformed_for_want_of_them() -> None:
    body = body_of(ADD)
    assert [fields(b"\x92" + form)["reason"] for form in (body, body.replace(b"\x01", b"\xcc\x01"))] == [
        "Input data was truncated"
    ] * 2


def nesting(kind: Any, above: tuple[Any, ...] = ()) -> int:
    """How deep values of a type can nest. Fails where there is no end to it, or where anything may stand."""
    assert kind not in above
    assert not isinstance(kind, msgspec.inspect.AnyType | msgspec.inspect.RawType)
    inner: list[Any] = []
    if isinstance(kind, msgspec.inspect.StructType):
        inner = [field.type for field in kind.fields]
    elif isinstance(kind, msgspec.inspect.UnionType):
        return max(nesting(each, above) for each in kind.types)
    elif isinstance(kind, msgspec.inspect.TupleType):
        inner = list(kind.item_types)
    elif isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        inner = [kind.item_type]
    return 1 + max((nesting(each, (*above, kind)) for each in inner), default=0)


def test_what_the_ledger_accepts_nests_a_few_levels_deep() -> None:
    kinds = (*compose().handlers, Signature, Envelope)
    assert max(nesting(msgspec.inspect.type_info(kind)) for kind in kinds) <= 12

"""What a block does with envelopes, transactions and due items, in order, and what it refuses without a trace."""

from typing import Any

import msgspec
import pytest

from support.counters import (
    ALICE,
    BOB,
    MEMBER,
    NODE,
    SOLO,
    Add,
    Added,
    AddLater,
    Charged,
    DropLater,
    Fail,
    Repeat,
    TotalOf,
    counter_ledger,
)
from support.ledger import Key, Ledger
from traco.kernel.application import Finalized
from traco.kernel.codec import digest, encode
from traco.kernel.due import DueItem
from traco.kernel.errors import Failure, Halt, UnknownInstruction
from traco.kernel.instruction import KernelParameters
from traco.kernel.receipt import NO_SIGNATURES, Receipt
from traco.kernel.screening import DirectScreener, Screened, ScreenedEnvelope, encode_transaction
from traco.kernel.store import Refusal
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    envelope_id,
    envelope_signing_message,
    signatures_hash,
    signing_message,
    transaction_id,
)

WINDOW = 600_000


def run(ledger: Ledger, *envelopes: bytes, after_ms: int = 1_000) -> Finalized:
    ledger.time_ms += after_ms
    finalized = ledger.application.finalize_block(
        ledger.application.info().height + 1, ledger.time_ms, envelopes
    )
    ledger.application.commit()
    return finalized


def total(ledger: Ledger, name: str) -> int:
    found: int = ledger.query("counter.total", TotalOf(name))
    return found


def body_of(ledger: Ledger, /, **changes: Any) -> Body:
    until = ledger.time_ms + 60_000
    body = Body(ledger.application.network, b"", until, ledger.salt(), (Add(SOLO, "x", 1),))
    return msgspec.structs.replace(body, **changes)


def signed(body: Body, *keys: Key) -> bytes:
    raw = encode(body)
    return encode_transaction(raw, tuple(key.signature(signing_message(transaction_id(raw))) for key in keys))


def envelope_of(ledger: Ledger, /, node: Key = NODE, **changes: Any) -> bytes:
    transactions = (signed(body_of(ledger), ALICE),)
    until = ledger.time_ms + 60_000
    body = EnvelopeBody(ledger.application.network, b"", MEMBER, until, ledger.salt(), transactions)
    body = msgspec.structs.replace(body, **changes)
    return encode(Envelope(body, node.signature(envelope_signing_message(envelope_id(body), node.public))))


def codes(finalized: Finalized) -> list[str | None]:
    return [
        None if answer.failure is None else answer.failure.code
        for envelope in finalized.answers
        for answer in envelope.transactions
    ]


REFUSED_PLACES = [
    ({"network": b"x" * 32}, "transaction.wrong_network"),
    ({"ledger": b"x" * 32}, "transaction.wrong_ledger"),
    ({"ledger": bytes(32)}, "transaction.wrong_ledger"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED_PLACES)
def test_a_transaction_for_another_place_is_refused(changes: dict[str, Any], code: str) -> None:
    ledger = counter_ledger()
    answer = ledger.run_block([signed(body_of(ledger, **changes), ALICE)])[0]
    assert (answer.leaf, answer.failure and answer.failure.code) == (-1, code)


@pytest.mark.parametrize(("changes", "code"), REFUSED_PLACES)
def test_an_envelope_for_another_place_is_refused(changes: dict[str, Any], code: str) -> None:
    ledger = counter_ledger()
    answer = run(ledger, envelope_of(ledger, **changes)).answers[0]
    assert (answer.leaf, answer.failure and answer.failure.code, answer.transactions) == (-1, code, ())
    assert total(ledger, "x") == 0


LIFETIMES = [
    (0, "transaction.expired"),
    (1, None),
    (WINDOW, None),
    (WINDOW + 1, "transaction.too_far_ahead"),
]


@pytest.mark.parametrize(("life_ms", "code"), LIFETIMES)
def test_a_transaction_is_valid_below_its_limit_and_within_the_window(life_ms: int, code: str | None) -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger, valid_until=ledger.time_ms + 1_000 + life_ms), ALICE)
    answer = ledger.run_block([raw], after_ms=1_000)[0]
    assert (answer.failure and answer.failure.code) == code


@pytest.mark.parametrize(("life_ms", "code"), LIFETIMES)
def test_an_envelope_is_valid_below_its_limit_and_within_the_window(life_ms: int, code: str | None) -> None:
    ledger = counter_ledger()
    raw = envelope_of(ledger, valid_until=ledger.time_ms + 1_000 + life_ms)
    time_ms = ledger.time_ms + 1_000
    refusal = ledger.application.check_tx(raw, time_ms)
    answer = run(ledger, raw).answers[0]
    assert (answer.failure and answer.failure.code) == code
    assert answer.failure == refusal


def test_refusals_of_time_name_both_times() -> None:
    ledger = counter_ledger()
    now = ledger.time_ms + 1_000
    late, early = (signed(body_of(ledger, valid_until=until), ALICE) for until in (now, now + WINDOW + 1))
    failures = [answer.failure for answer in ledger.run_block([late, early])]
    assert failures == [
        Failure("transaction.expired", (("valid_until", now), ("time_ms", now))),
        Failure(
            "transaction.too_far_ahead",
            (("valid_until", now + WINDOW + 1), ("time_ms", now), ("window_ms", WINDOW)),
        ),
    ]


def test_a_transaction_twice_in_an_envelope_runs_once() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger), ALICE)
    answers = ledger.run_block([raw, raw])
    assert answers[0].failure is None
    assert answers[1].failure == Failure("transaction.duplicate", (("transaction", answers[0].identity),))
    assert (answers[1].leaf, total(ledger, "x")) == (-1, 1)


def test_a_transaction_in_two_envelopes_of_a_block_runs_once() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger), ALICE)
    assert codes(run(ledger, ledger.envelope([raw]), ledger.envelope([raw]))) == [
        None,
        "transaction.duplicate",
    ]


def test_a_transaction_in_a_later_block_is_a_duplicate() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger), ALICE)
    ledger.run_block([raw])
    assert codes(run(ledger, ledger.envelope([raw]))) == ["transaction.duplicate"]


def test_a_transaction_after_a_restart_is_a_duplicate() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger), ALICE)
    ledger.run_block([raw])
    again = counter_ledger(ledger.store)
    assert codes(run(again, ledger.envelope([raw]))) == ["transaction.duplicate"]


def test_a_duplicate_after_its_bucket_was_dropped_is_expired() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger), ALICE)
    ledger.run_block([raw])
    ledger.run_block(after_ms=80_000)
    assert codes(run(ledger, ledger.envelope([raw]))) == ["transaction.expired"]


def test_a_rejected_transaction_uses_its_id_up() -> None:
    ledger = counter_ledger()
    raw = signed(body_of(ledger, instructions=(Fail(SOLO, "rule"),)), ALICE)
    assert codes(run(ledger, ledger.envelope([raw, raw]))) == ["counter.above_limit", "transaction.duplicate"]


@pytest.mark.parametrize("wrong", [[], [BOB], [ALICE, BOB]])
def test_a_wrongly_signed_body_does_not_use_the_id_up(wrong: list[Key]) -> None:
    ledger = counter_ledger()
    body = body_of(ledger)
    assert ledger.run_block([signed(body, *wrong)])[0].leaf == -1
    assert ledger.run_block([signed(body, ALICE)])[0].failure is None


def test_a_forged_signature_does_not_use_the_id_up() -> None:
    ledger = counter_ledger()
    body = body_of(ledger)
    forged = signed(body, ALICE)[:-1] + b"\0"
    assert codes(run(ledger, ledger.envelope([forged]))) == ["transaction.signature_invalid"]
    assert ledger.run_block([signed(body, ALICE)])[0].failure is None


def test_a_bad_transaction_never_harms_its_neighbours() -> None:
    ledger = counter_ledger()
    bad = [
        b"", b"\xdd\xff\xff\xff\xff", b"\x91" * 5_000, signed(body_of(ledger), BOB), signed(body_of(ledger), ALICE)[:-1],
        signed(body_of(ledger, network=b"x" * 32), ALICE), signed(body_of(ledger, valid_until=0), ALICE),
        signed(body_of(ledger, instructions=()), ALICE), signed(body_of(ledger, instructions=(["nope/1"],)), ALICE),
        signed(body_of(ledger, instructions=(Fail(SOLO, "bug"),)), ALICE),
        signed(body_of(ledger, instructions=(Fail(SOLO, "admission-bug"),)), ALICE),
    ]  # fmt: skip
    good = [signed(body_of(ledger), ALICE) for _ in range(len(bad) + 1)]
    mixed = [raw for pair in zip(good, bad, strict=False) for raw in pair] + [good[-1]]
    answers = ledger.run_block(mixed)
    assert [answer.failure for answer in answers[::2]] == [None] * len(good)
    assert [answer.failure is None for answer in answers[1::2]] == [False] * len(bad)
    assert total(ledger, "x") == len(good)


def test_refusals_are_kept_with_their_place() -> None:
    ledger = counter_ledger()
    good = signed(body_of(ledger), ALICE)
    block = run(ledger, b"junk", ledger.envelope([good, b"", good]), envelope_of(ledger, valid_until=0)).block
    assert [(refusal.envelope, refusal.transaction, refusal.failure.code) for refusal in block.refusals] == [
        (0, -1, "transaction.malformed"),
        (1, 1, "transaction.malformed"),
        (1, 2, "transaction.duplicate"),
        (2, -1, "transaction.expired"),
    ]
    assert block.refusals[2] == Refusal(1, 2, block.leaves[1].identity, block.refusals[2].failure)


def test_leaves_are_envelope_then_transactions_in_order() -> None:
    ledger = counter_ledger()
    raws = [signed(body_of(ledger), ALICE) for _ in range(2)]
    envelope = ledger.envelope(raws)
    answer = run(ledger, envelope).answers[0]
    leaves = ledger.store.blocks[-1].leaves
    decoded = msgspec.msgpack.decode(envelope, type=Envelope)
    assert leaves[0].identity == answer.identity == envelope_id(decoded.body)
    assert leaves[0].signatures == signatures_hash((decoded.signature,))
    assert leaves[0].receipt == encode(Receipt(answer.identity, None, ()))
    assert (answer.leaf, [inner.leaf for inner in answer.transactions]) == (0, [1, 2])
    assert [leaf.identity for leaf in leaves[1:]] == [inner.identity for inner in answer.transactions]


def test_the_leaf_names_the_signatures_of_the_transaction() -> None:
    ledger = counter_ledger()
    body = encode(body_of(ledger))
    signature = ALICE.signature(signing_message(transaction_id(body)))
    ledger.run_block([encode_transaction(body, (signature,))])
    leaf = ledger.store.blocks[-1].leaves[1]
    assert (leaf.identity, leaf.signatures) == (transaction_id(body), signatures_hash((signature,)))


def test_ids_of_envelopes_and_transactions_are_used_up_in_order() -> None:
    ledger = counter_ledger()
    answer = run(ledger, ledger.envelope([signed(body_of(ledger), ALICE), b""])).answers[0]
    used = [identity for identity, _ in ledger.store.blocks[-1].used]
    assert used == [answer.identity, answer.transactions[0].identity]


def test_an_envelope_from_an_unknown_node_is_refused() -> None:
    ledger = counter_ledger()
    raw = envelope_of(ledger, node=BOB)
    answer = run(ledger, raw).answers[0]
    expected = Failure("envelope.node_unknown", (("member", MEMBER), ("key", BOB.public)))
    assert (answer.failure, ledger.application.check_tx(raw, ledger.time_ms)) == (expected, expected)


def test_a_node_cannot_submit_for_another_member() -> None:
    ledger = counter_ledger()
    answer = run(ledger, envelope_of(ledger, member=SOLO)).answers[0]
    assert (answer.failure and answer.failure.code) == "envelope.node_unknown"


def test_an_envelope_is_not_replayed() -> None:
    ledger = counter_ledger()
    raw = envelope_of(ledger)
    first, second = run(ledger, raw, raw).answers
    assert (first.failure, second.failure) == (
        None,
        Failure("transaction.duplicate", (("transaction", first.identity),)),
    )
    assert (second.leaf, second.transactions) == (-1, ())
    assert run(ledger, raw).answers[0].failure == second.failure
    assert ledger.application.check_tx(raw, ledger.time_ms) == second.failure


def test_a_refused_envelope_may_come_again() -> None:
    ledger = counter_ledger()
    raw = envelope_of(ledger, valid_until=ledger.time_ms + 1_000 + WINDOW + 500)
    assert run(ledger, raw).answers[0].failure is not None
    assert run(ledger, raw).answers[0].failure is None


def test_a_screener_that_gives_no_reason_stops_the_node() -> None:
    class Silent(DirectScreener):
        def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
            return ScreenedEnvelope(None, b"", b"", None)

    ledger = counter_ledger()
    ledger.application._screener = Silent(ledger.registry.body, KernelParameters())
    with pytest.raises(Halt):
        run(ledger, b"junk")


def test_limits_in_force_bind_what_screening_let_pass() -> None:
    ledger = counter_ledger(
        parameters={"kernel": {"max_instructions": 2, "max_signatures": 1, "max_envelope_transactions": 2}}
    )
    ledger.application._screener = DirectScreener(ledger.registry.body, KernelParameters())
    three = signed(body_of(ledger, instructions=(Add(SOLO, "x", 1),) * 3), ALICE)
    assert (
        codes(run(ledger, ledger.envelope([three, signed(body_of(ledger), ALICE, BOB)])))
        == ["transaction.too_large"] * 2
    )
    crowded = run(ledger, ledger.envelope([signed(body_of(ledger), ALICE) for _ in range(3)])).answers[0]
    assert crowded.failure == Failure(
        "transaction.too_large", (("what", "the number of transactions"), ("size", 3), ("limit", 2))
    )


def test_a_screener_that_loses_answers_stops_the_node() -> None:
    class Losing(DirectScreener):
        def screen(self, transactions: Any) -> list[Screened]:
            return super().screen(transactions)[1:]

    ledger = counter_ledger()
    ledger.application._screener = Losing(ledger.registry.body, KernelParameters())
    with pytest.raises(Halt):
        ledger.run_block([signed(body_of(ledger), ALICE)])


def later(ledger: Ledger, *names: str, after_ms: int = 5_000) -> int:
    due_ms = ledger.time_ms + after_ms
    ledger.succeed(*(AddLater(SOLO, name, due_ms) for name in names), keys=[ALICE])
    return due_ms


def events(ledger: Ledger) -> list[Any]:
    receipts = [ledger.registry.receipt.decode(leaf.receipt) for leaf in ledger.store.blocks[-1].leaves]
    return [event for receipt in receipts for event in receipt.events]


def test_due_items_run_at_their_time_before_the_transactions() -> None:
    ledger = counter_ledger()
    assert ledger.application.next_due_ms() is None
    due_ms = later(ledger, "b", "a")
    assert ledger.application.next_due_ms() == due_ms
    ledger.run_block(after_ms=due_ms - ledger.time_ms - 1)
    assert (total(ledger, "a"), len(ledger.store.blocks[-1].leaves)) == (0, 0)
    ledger.run_block([signed(body_of(ledger), ALICE)], after_ms=1)
    assert events(ledger) == [Added("a", 1), Added("b", 1), Charged(2), Added("x", 1)]
    assert [leaf.signatures == NO_SIGNATURES for leaf in ledger.store.blocks[-1].leaves] == [
        True,
        True,
        False,
        False,
    ]


def test_due_items_have_a_budget_and_are_carried_over_in_order() -> None:
    ledger = counter_ledger(parameters={"kernel": {"due_budget": 2}})
    later(ledger, *"edcba")
    seen = []
    for after_ms in (5_000, 0, 0, 0):
        ledger.run_block(after_ms=after_ms)
        seen.append([event.name for event in events(ledger)])
    assert seen == [["a", "b"], ["c", "d"], ["e"], []]
    assert ledger.application.next_due_ms() is None


def test_a_faulty_due_item_leaves_the_queue_and_harms_no_other() -> None:
    ledger = counter_ledger()
    later(ledger, "a", "faulty-due", "z")
    ledger.run_block(after_ms=5_000)
    receipts = [ledger.registry.receipt.decode(leaf.receipt) for leaf in ledger.store.blocks[-1].leaves]
    assert [receipt.failure and receipt.failure.code for receipt in receipts] == [None, "kernel.fault", None]
    assert (total(ledger, "a"), total(ledger, "z"), ledger.application.next_due_ms()) == (1, 1, None)


def test_an_item_taken_back_by_an_earlier_one_of_the_block_does_not_run() -> None:
    ledger = counter_ledger()
    due_ms = later(ledger, "a", "b")
    ledger.succeed(DropLater(SOLO, "a", due_ms), keys=[ALICE])
    ledger.run_block(after_ms=5_000)
    assert (total(ledger, "a"), total(ledger, "b")) == (0, 1)
    assert (len(ledger.store.blocks[-1].leaves), ledger.application.next_due_ms()) == (2, None)


def test_the_same_item_in_two_blocks_has_two_ids() -> None:
    ledger = counter_ledger()
    identities = []
    for _ in range(2):
        later(ledger, "a", after_ms=1_001)
        ledger.run_block()
        identities.append(ledger.store.blocks[-1].leaves[0].identity)
    assert identities[0] != identities[1]


def test_the_id_of_a_due_item_names_network_ledger_height_and_item() -> None:
    ledger = counter_ledger()
    due_ms = later(ledger, "a", after_ms=1_001)
    ledger.run_block(after_ms=1_001)
    item = encode(DueItem(due_ms, "counter.later", b"a"))
    expected = digest(b"traco/due/1", ledger.application.network, bytes(32), b"\0\0\0\0\0\0\0\2", item)
    assert ledger.store.blocks[-1].leaves[0].identity == expected


def test_an_instruction_of_a_later_protocol_is_unknown_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = counter_ledger()
    monkeypatch.setattr(Add, "since_protocol", 2)
    answer = ledger.submit(Add(SOLO, "x", 1), keys=[ALICE])
    assert answer.failure == UnknownInstruction("counter.add/1").failure()
    assert answer.leaf == -1


def test_an_instruction_of_a_later_protocol_is_unknown_inside_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = counter_ledger()
    operation = encode((Add(SOLO, "x", 1),))
    monkeypatch.setattr(Add, "since_protocol", 2)
    assert ledger.reject(Repeat(SOLO, operation), keys=[ALICE]) == "kernel.operation_malformed"

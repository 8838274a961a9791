"""The kernel's own instructions: proposals and what cannot be slipped into them, parameters by decision of the council."""

from typing import Any

import pytest

from support.counters import (
    ALICE,
    BOB,
    EITHER,
    PAIR,
    SOLO,
    Add,
    Added,
    Charged,
    CounterParameters,
    Fail,
    FixedAuthority,
    Repeat,
    TotalOf,
    counter_genesis,
    counter_ledger,
    counter_registry,
)
from support.ledger import Key, Ledger
from traco.kernel.codec import encode
from traco.kernel.instruction import Instruction, KernelParameters
from traco.kernel.kernel_module import KernelModule, ProposalQuery
from traco.kernel.module import Context, Requirement
from traco.kernel.operations import (
    EXPIRY,
    MAX_LIFE_MS,
    Approve,
    Approved,
    ParametersSet,
    Proposal,
    ProposalEnded,
    Propose,
    Proposed,
    SetParameters,
    Withdraw,
    proposal_id,
)
from traco.kernel.registry import Registry
from traco.kernel.state import State

SALT = b"s" * 16


def proposal(ledger: Ledger, *inner: Instruction, party: bytes = PAIR, life_ms: int = 60_000) -> Propose:
    """A proposal for the next block, that lapses ``life_ms`` after it."""
    return Propose(party, encode(tuple(inner)), ledger.time_ms + 1_000 + life_ms, SALT)


def identity(ledger: Ledger, message: Propose) -> bytes:
    return proposal_id(ledger.application.network, message.party, message.salt, message.operation)


def waiting(ledger: Ledger, message: Propose) -> Proposal | None:
    found: Proposal | None = ledger.query("kernel.proposal", ProposalQuery(identity(ledger, message)))
    return found


def total(ledger: Ledger, name: str) -> int:
    found: int = ledger.query("counter.total", TotalOf(name))
    return found


def test_a_proposal_waits_for_the_keys_that_are_missing() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 5))
    receipt = ledger.succeed(message, keys=[BOB])
    name = identity(ledger, message)
    assert receipt.events[1:] == (
        Proposed(name, PAIR, message.expires_ms), Approved(name, PAIR, (BOB.public,), complete=False),
    )  # fmt: skip
    assert waiting(ledger, message) == Proposal(PAIR, message.operation, message.expires_ms, (BOB.public,))
    assert total(ledger, "x") == 0


def test_the_approval_that_completes_it_runs_it() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 5), Add(PAIR, "y", 6))
    ledger.succeed(message, keys=[BOB])
    receipt = ledger.succeed(Approve(PAIR, identity(ledger, message)), keys=[ALICE])
    assert Approved(identity(ledger, message), PAIR, (ALICE.public,), complete=True) in receipt.events
    assert (total(ledger, "x"), total(ledger, "y"), waiting(ledger, message)) == (5, 6, None)
    assert ledger.application.next_due_ms() is None


def test_one_key_that_suffices_runs_it_at_once() -> None:
    ledger = counter_ledger()
    ledger.succeed(proposal(ledger, Add(EITHER, "x", 5), party=EITHER), keys=[ALICE])
    assert total(ledger, "x") == 5


def test_admission_is_asked_about_what_a_proposal_carries() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Fail(EITHER, "admission"), party=EITHER)
    assert ledger.reject(message, keys=[ALICE]) == "counter.not_admitted"
    receipt = ledger.succeed(proposal(ledger, Add(EITHER, "x", 5), party=EITHER), keys=[ALICE])
    assert [event for event in receipt.events if isinstance(event, Charged | Added)] == [
        Charged(2), Charged(3), Added("x", 5),
    ]  # fmt: skip


def test_an_approval_that_fails_to_run_leaves_it_waiting() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 5), Fail(PAIR, "rule"))
    ledger.succeed(message, keys=[BOB])
    assert ledger.reject(Approve(PAIR, identity(ledger, message)), keys=[ALICE]) == "counter.above_limit"
    assert waiting(ledger, message) is not None
    assert total(ledger, "x") == 0


def test_a_key_approves_once() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 5))
    ledger.succeed(message, keys=[BOB])
    assert ledger.reject(Approve(PAIR, identity(ledger, message)), keys=[BOB]) == "kernel.approved_before"
    assert total(ledger, "x") == 0


def test_an_open_proposal_is_not_proposed_again() -> None:
    ledger = counter_ledger()
    ledger.succeed(proposal(ledger, Add(PAIR, "x", 5)), keys=[BOB])
    assert ledger.reject(proposal(ledger, Add(PAIR, "x", 5)), keys=[ALICE]) == "kernel.approved_before"


def test_an_approval_on_its_way_cannot_meet_another_operation() -> None:
    ledger = counter_ledger()
    reviewed, swapped = proposal(ledger, Add(PAIR, "x", 5)), proposal(ledger, Add(PAIR, "x", 5_000))
    ledger.succeed(reviewed, keys=[BOB])
    approval = ledger.transaction([Approve(PAIR, identity(ledger, reviewed))], ALICE)
    ledger.succeed(Withdraw(PAIR, identity(ledger, reviewed)), swapped, keys=[BOB])
    answer = ledger.run_block([approval])[0]
    assert (answer.failure and answer.failure.code) == "kernel.proposal_unknown"
    assert total(ledger, "x") == 0


@pytest.mark.parametrize(
    "inner",
    [
        Add(SOLO, "x", 1),
        Approve(PAIR, bytes(32)),
        Propose(PAIR, b"\x90", 1, SALT),
        Withdraw(PAIR, bytes(32)),
        SetParameters((SOLO, EITHER), "counter", b"x"),
        SetParameters((PAIR, PAIR), "counter", b"x"),
    ],
)
def test_a_proposal_is_of_one_partys_own_business(inner: Instruction) -> None:
    ledger = counter_ledger()
    assert ledger.reject(proposal(ledger, Add(PAIR, "x", 1), inner), keys=[BOB]) == "kernel.proposal_foreign"


@pytest.mark.parametrize("operation", [b"\x90", b"\xc0", b"junk"])
def test_a_proposal_carries_instructions(operation: bytes) -> None:
    ledger = counter_ledger()
    message = Propose(PAIR, operation, ledger.time_ms + 60_000, SALT)
    assert ledger.reject(message, keys=[BOB]) == "kernel.operation_malformed"


@pytest.mark.parametrize(
    ("life_ms", "code"),
    [(0, "kernel.proposal_life"), (1, None), (MAX_LIFE_MS, None), (MAX_LIFE_MS + 1, "kernel.proposal_life")],
)
def test_a_proposal_lives_at_most_a_month(life_ms: int, code: str | None) -> None:
    ledger = counter_ledger()
    answer = ledger.submit(proposal(ledger, Add(PAIR, "x", 1), life_ms=life_ms), keys=[BOB])
    assert (answer.failure and answer.failure.code) == code


def test_a_proposal_lapses_at_its_time() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1), life_ms=5_000)
    ledger.succeed(message, keys=[BOB])
    ledger.run_block(after_ms=4_999)
    assert waiting(ledger, message) is not None
    ledger.run_block(after_ms=1)
    assert waiting(ledger, message) is None
    receipt = ledger.registry.receipt.decode(ledger.store.blocks[-1].leaves[0].receipt)
    assert receipt.events == (ProposalEnded(identity(ledger, message), PAIR, lapsed=True),)


def test_a_lapsed_proposal_is_not_approved_while_it_waits_for_the_budget() -> None:
    ledger = counter_ledger(parameters={"kernel": {"due_budget": 1}})
    first, second = (proposal(ledger, Add(PAIR, name, 1), life_ms=5_000) for name in "xy")
    ledger.succeed(first, second, keys=[BOB])
    names = sorted(identity(ledger, message) for message in (first, second))
    approvals = [ledger.transaction([Approve(PAIR, name)], ALICE) for name in names]
    ledger.time_ms = first.expires_ms
    answers = ledger.run_block(approvals[1:], after_ms=0)
    assert [answer.failure and answer.failure.code for answer in answers] == ["kernel.proposal_unknown"]
    assert ledger.application.next_due_ms() == first.expires_ms


def test_any_key_of_the_party_withdraws_a_proposal() -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1))
    ledger.succeed(message, keys=[BOB])
    receipt = ledger.succeed(Withdraw(PAIR, identity(ledger, message)), keys=[ALICE])
    assert receipt.events[1:] == (ProposalEnded(identity(ledger, message), PAIR, lapsed=False),)
    assert (waiting(ledger, message), ledger.application.next_due_ms()) == (None, None)


@pytest.mark.parametrize("kind", [Approve, Withdraw])
def test_another_party_has_no_say(kind: Any) -> None:
    ledger = counter_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1))
    ledger.succeed(message, keys=[BOB])
    assert ledger.reject(kind(EITHER, identity(ledger, message)), keys=[ALICE]) == "kernel.proposal_unknown"


class Changing(FixedAuthority):
    """An authority whose policy for PAIR can be taken away."""

    def __init__(self) -> None:
        self.gone = False
        self.only_bob = False

    def requirement(self, state: State, party: bytes, instruction: Instruction) -> Requirement | None:
        if party == PAIR and instruction.policy_class != "approve":
            if self.gone or getattr(instruction, "name", "") == "orphan":
                return None
            if self.only_bob:
                return Requirement(frozenset((BOB.public,)), 1)
        return super().requirement(state, party, instruction)


def changing_ledger() -> tuple[Ledger, Changing]:
    authority = Changing()
    modules = counter_registry().modules[1:]
    registry = Registry([KernelModule(authority), *modules], authority)
    return Ledger(counter_genesis(), registry, b"member".ljust(16, b"\0"), Key("node")), authority


def test_a_party_that_is_gone_completes_nothing() -> None:
    ledger, authority = changing_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1))
    ledger.succeed(message, keys=[BOB])
    authority.gone = True
    assert ledger.reject(Approve(PAIR, identity(ledger, message)), keys=[ALICE]) == "kernel.approved_before"


def test_a_proposal_of_which_one_part_has_nobody_to_sign_is_not_complete() -> None:
    ledger, authority = changing_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1), Add(PAIR, "orphan", 1))
    authority.only_bob = True
    ledger.succeed(message, keys=[BOB])
    assert waiting(ledger, message) is not None
    assert total(ledger, "x") == 0


def test_a_key_that_no_longer_counts_does_not_complete() -> None:
    ledger, authority = changing_ledger()
    message = proposal(ledger, Add(PAIR, "x", 1))
    ledger.succeed(message, keys=[ALICE])
    authority.only_bob = True
    ledger.succeed(Approve(PAIR, identity(ledger, message)), keys=[BOB])
    assert total(ledger, "x") == 1


def test_an_operation_that_is_too_deep_is_rejected() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_depth": 1}})
    inner = Repeat(EITHER, encode((Add(EITHER, "x", 1),)))
    assert ledger.reject(proposal(ledger, inner, party=EITHER), keys=[ALICE]) == "kernel.depth_exceeded"


def decide(owner: str, record: bytes, parties: tuple[bytes, ...] = (SOLO, EITHER)) -> SetParameters:
    return SetParameters(parties, owner, record)


def test_the_council_sets_parameters_from_the_next_transaction_on() -> None:
    ledger = counter_ledger()
    record = encode(CounterParameters(10))
    answers = ledger.run_block([
        ledger.transaction([decide("counter", record)], ALICE), ledger.transaction([Add(SOLO, "x", 11)], ALICE),
    ])  # fmt: skip
    assert [answer.failure and answer.failure.code for answer in answers] == [None, "counter.above_limit"]
    assert ledger.receipt(answers[0]).events[1:] == (ParametersSet("counter", record),)
    assert ledger.application.parameters.get(
        ledger.application.state, CounterParameters
    ) == CounterParameters(10)


def test_limits_of_the_kernel_hold_from_the_next_block_on() -> None:
    ledger = counter_ledger()
    ledger.succeed(decide("kernel", encode(KernelParameters(max_instructions=2))), keys=[ALICE])
    answer = ledger.submit(*[Add(SOLO, "x", 1)] * 3, keys=[ALICE])
    assert (answer.leaf, answer.failure and answer.failure.code) == (-1, "transaction.too_large")


@pytest.mark.parametrize("parties", [(SOLO,), (SOLO, SOLO), (SOLO, PAIR), (SOLO, EITHER, SOLO)])
def test_less_than_the_council_sets_nothing(parties: tuple[bytes, ...]) -> None:
    ledger = counter_ledger()
    keys = [ALICE, BOB] if PAIR in parties else [ALICE]
    assert (
        ledger.reject(decide("counter", encode(CounterParameters(1)), parties), keys=keys)
        == "kernel.council_needed"
    )


@pytest.mark.parametrize(
    ("owner", "record"),
    [
        ("nobody", encode(CounterParameters(1))),
        ("nobody", b"\xc0"),
        ("counter", b"junk"),
        ("counter", encode(CounterParameters(1)) + b"\0"),
        ("counter", b"\x92\x01\xcc\x01"),
        ("counter", encode(KernelParameters())),
        ("kernel", encode(CounterParameters(1))),
        ("kernel", encode(KernelParameters())[:-1]),
        ("kernel", encode([1, 59_999])),
        ("kernel", encode(KernelParameters()).replace(encode(1_024), encode(0))),
        ("kernel", encode(KernelParameters()).replace(encode(4_194_304), encode(1_048_575))),
    ],
)
def test_a_record_that_is_not_the_owners_is_rejected(owner: str, record: bytes) -> None:
    assert counter_ledger().reject(decide(owner, record), keys=[ALICE]) == "kernel.parameters_invalid"


def test_the_kernel_takes_no_genesis_section() -> None:
    with pytest.raises(ValueError):
        counter_ledger(modules={"kernel": {"a": 1}})


def test_an_expiry_without_a_proposal_is_rejected() -> None:
    class Careless(KernelModule):
        def withdraw(self, context: Context, message: Withdraw) -> None:
            context.schedule(context.block.time_ms + 1_000, EXPIRY, message.proposal)

    authority = FixedAuthority()
    modules = counter_registry().modules[1:]
    registry = Registry([Careless(authority), *modules], authority)
    ledger = Ledger(counter_genesis(), registry, b"member".ljust(16, b"\0"), Key("node"))
    ledger.succeed(Withdraw(SOLO, bytes(32)), keys=[ALICE])
    ledger.run_block()
    receipt = ledger.registry.receipt.decode(ledger.store.blocks[-1].leaves[0].receipt)
    assert (receipt.failure and receipt.failure.code) == "kernel.proposal_unknown"

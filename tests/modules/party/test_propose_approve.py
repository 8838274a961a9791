"""Proposals of a party whose policy asks for two keys: who completes them, when, and what cannot be slipped in."""

import pytest

from support.founding import Founding, founding
from support.ledger import Key
from support.probe import Both, Note, Paid, Pay, ProbeModule, Refuse
from traco.kernel.codec import encode
from traco.kernel.instruction import Instruction
from traco.kernel.kernel_module import ProposalQuery
from traco.kernel.operations import (
    MAX_LIFE_MS,
    Approve,
    Approved,
    Proposal,
    ProposalEnded,
    Propose,
    Proposed,
    Withdraw,
    proposal_id,
)
from traco.modules.party.messages import ChangeKeys, RegisterParty, SetStatus, party_id
from traco.modules.party.state import Band, PartyKey, Policy, PolicyRule

CASH = b"c" * 16
MAKER, CHECKER, THIRD, ADMIN, READER = (
    Key(name) for name in ("maker", "checker", "third", "admin", "reader")
)
SALT = b"s" * 16
DAY = 86_400_000


@pytest.fixture
def f() -> Founding:
    return founding(["bank"], [ProbeModule()])


@pytest.fixture
def party(f: Founding) -> bytes:
    keys = tuple(PartyKey(key.public, ("sign",)) for key in (MAKER, CHECKER, THIRD))
    keys += (PartyKey(ADMIN.public, ("administer",)), PartyKey(READER.public, ("read",)))
    policy = Policy(
        1,
        (
            PolicyRule("trade", 1, Band(CASH, 10)),
            PolicyRule("trade", 2, Band(CASH, 1_000)),
            PolicyRule("trade", 3),
        ),
    )
    message = RegisterParty(f.ids["bank"], f.ledger.salt(), "organisation", keys, "Example", policy=policy)
    f.ledger.succeed(message, keys=[f.keys["bank"]])
    return party_id(message.party, message.salt)


def proposal(
    f: Founding, party: bytes, *inner: Instruction, life_ms: int = DAY, salt: bytes = SALT
) -> Propose:
    return Propose(party, encode(tuple(inner)), f.ledger.time_ms + 1_000 + life_ms, salt)


def identity(f: Founding, party: bytes) -> bytes:
    """The id of the party's last proposal, as its event names it."""
    receipts = [
        f.ledger.registry.receipt.decode(leaf.receipt)
        for block in f.ledger.store.blocks
        for leaf in block.leaves
    ]
    proposed = [event for receipt in receipts for event in receipt.events if isinstance(event, Proposed)]
    return next(event.proposal for event in reversed(proposed) if event.party == party)


def waiting(f: Founding, party: bytes) -> Proposal | None:
    found: Proposal | None = f.ledger.query("kernel.proposal", ProposalQuery(identity(f, party)))
    return found


def test_a_checker_completes_it_in_a_later_block(f: Founding, party: bytes) -> None:
    message = proposal(f, party, Pay(party, CASH, 1_000))
    receipt = f.ledger.succeed(message, keys=[MAKER])
    name = proposal_id(f.ledger.application.network, party, SALT, message.operation)
    expires = f.ledger.time_ms + DAY
    assert receipt.events == (
        Proposed(name, party, expires), Approved(name, party, (MAKER.public,), complete=False),
    )  # fmt: skip
    f.ledger.run_block(after_ms=DAY - 2_000)
    receipt = f.ledger.succeed(Approve(party, name), keys=[CHECKER])
    assert receipt.events == (
        Approved(name, party, (CHECKER.public,), complete=True), Paid(party, 1_000),
    )  # fmt: skip
    assert waiting(f, party) is None


def test_it_waits_with_the_approvals_given(f: Founding, party: bytes) -> None:
    message = proposal(f, party, Pay(party, CASH, 1_001))
    f.ledger.succeed(message, keys=[MAKER])
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    approvals = (MAKER.public, CHECKER.public)
    assert waiting(f, party) == Proposal(party, message.operation, message.expires_ms, approvals)
    receipt = f.ledger.succeed(Approve(party, identity(f, party)), keys=[THIRD])
    assert receipt.events[-1] == Paid(party, 1_001)


def test_an_operation_that_needs_one_key_runs_at_once(f: Founding, party: bytes) -> None:
    receipt = f.ledger.succeed(proposal(f, party, Pay(party, CASH, 10)), keys=[MAKER])
    assert receipt.events[-1] == Paid(party, 10)
    assert waiting(f, party) is None


def test_the_strictest_instruction_inside_decides(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 1), Pay(party, CASH, 11)), keys=[MAKER])
    receipt = f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert receipt.events[-2:] == (Paid(party, 1), Paid(party, 11))


def test_signing_and_administering_keys_complete_a_mixed_operation(f: Founding, party: bytes) -> None:
    mixed = (Pay(party, CASH, 1), ChangeKeys(party, remove=(READER.public,)))
    f.ledger.succeed(proposal(f, party, *mixed), keys=[MAKER])
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert waiting(f, party) is not None
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[ADMIN])
    assert waiting(f, party) is None
    assert f.party.keeper.party_of_key(f.ledger.application.state, READER.public) is None


def test_the_same_key_approves_once(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    assert f.ledger.reject(Approve(party, identity(f, party)), keys=[MAKER]) == "kernel.approved_before"


def test_a_key_that_does_not_count_for_the_operation_does_not_approve(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    assert f.ledger.reject(Approve(party, identity(f, party)), keys=[ADMIN]) == "kernel.approved_before"
    assert (
        f.ledger.reject(Approve(party, identity(f, party)), keys=[READER]) == "transaction.signature_missing"
    )


def test_a_key_that_does_not_count_cannot_propose(f: Founding, party: bytes) -> None:
    assert f.ledger.reject(proposal(f, party, Note(party)), keys=[ADMIN]) == "kernel.approved_before"


def test_two_signatures_on_an_approval_are_one_too_many(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 1_001)), keys=[MAKER])
    code = f.ledger.reject(Approve(party, identity(f, party)), keys=[CHECKER, THIRD])
    assert code == "transaction.signature_superfluous"


def test_a_key_removed_meanwhile_no_longer_counts(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    replaced = ChangeKeys(party, add=(PartyKey(Key("new").public, ("sign",)),), remove=(MAKER.public,))
    f.ledger.succeed(replaced, keys=[ADMIN])
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert waiting(f, party) is not None
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[THIRD])
    assert waiting(f, party) is None


def test_a_policy_made_stricter_meanwhile_holds(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    f.ledger.succeed(ChangeKeys(party, policy=Policy(1, (PolicyRule("*", 3),))), keys=[ADMIN])
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert waiting(f, party) is not None


def test_it_lapses_at_its_time(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11), life_ms=5_000), keys=[MAKER])
    f.ledger.run_block(after_ms=4_999)
    assert waiting(f, party) is not None
    approval = f.ledger.transaction([Approve(party, identity(f, party))], CHECKER)
    answer = f.ledger.run_block([approval], after_ms=1)[0]
    assert answer.failure is not None
    assert answer.failure.code == "kernel.proposal_unknown"
    due = f.ledger.registry.receipt.decode(f.ledger.store.blocks[-1].leaves[0].receipt)
    assert due.events == (ProposalEnded(identity(f, party), party, lapsed=True),)


def test_the_salt_of_an_ended_proposal_may_be_used_again(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11), life_ms=5_000), keys=[MAKER])
    f.ledger.run_block(after_ms=5_000)
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])


def test_a_completed_proposal_does_not_lapse_later(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11), life_ms=5_000), keys=[MAKER])
    f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert f.ledger.application.next_due_ms() is None


@pytest.mark.parametrize("key", [MAKER, CHECKER, ADMIN])
def test_any_key_of_the_party_withdraws_it(f: Founding, party: bytes, key: Key) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    receipt = f.ledger.succeed(Withdraw(party, identity(f, party)), keys=[key])
    assert receipt.events == (ProposalEnded(identity(f, party), party, lapsed=False),)
    assert f.ledger.reject(Approve(party, identity(f, party)), keys=[CHECKER]) == "kernel.proposal_unknown"
    assert f.ledger.application.next_due_ms() is None


def test_another_party_neither_approves_nor_withdraws(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    for kind in (Approve, Withdraw):
        attack = kind(f.ids["bank"], identity(f, party))
        assert f.ledger.reject(attack, keys=[Key("bank")]) == "kernel.proposal_unknown"


def test_an_open_proposal_is_not_replaced(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    other = proposal(f, party, Pay(party, CASH, 11), life_ms=2 * DAY)
    assert f.ledger.reject(other, keys=[CHECKER]) == "kernel.approved_before"


def test_the_same_salt_with_another_operation_is_another_proposal(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    reviewed = identity(f, party)
    f.ledger.succeed(Withdraw(party, reviewed), keys=[MAKER])
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 1_000)), keys=[MAKER])
    assert f.ledger.reject(Approve(party, reviewed), keys=[CHECKER]) == "kernel.proposal_unknown"


def test_operations_of_others_and_proposals_inside_proposals_are_refused(f: Founding, party: bytes) -> None:
    bank = f.ids["bank"]
    inner = proposal(f, party, Note(party))
    for operation in ((Note(bank),), (Note(party), Note(bank)), (Both((party, bank)),), (inner,)):
        message = proposal(f, party, *operation)
        assert f.ledger.reject(message, keys=[MAKER]) == "kernel.proposal_foreign"


@pytest.mark.parametrize(
    "operation", [b"\x90", b"\x00", b"\x91\x91\xa1x", encode((Note(b"p" * 16),)) + b"\0"]
)
def test_bytes_that_are_no_operation_are_refused(f: Founding, party: bytes, operation: bytes) -> None:
    message = Propose(party, operation, f.ledger.time_ms + DAY, SALT)
    assert f.ledger.reject(message, keys=[MAKER]) == "kernel.operation_malformed"


@pytest.mark.parametrize(
    ("life_ms", "code"),
    [(0, "kernel.proposal_life"), (1, None), (MAX_LIFE_MS, None), (MAX_LIFE_MS + 1, "kernel.proposal_life")],
)
def test_its_life_is_bounded(f: Founding, party: bytes, life_ms: int, code: str | None) -> None:
    answer = f.ledger.submit(proposal(f, party, Pay(party, CASH, 11), life_ms=life_ms), keys=[MAKER])
    assert (None if answer.failure is None else answer.failure.code) == code


def test_a_rejection_inside_keeps_the_proposal_and_undoes_the_approval(f: Founding, party: bytes) -> None:
    policy = Policy(1, (PolicyRule("trade", 1, Band(CASH, 10)), PolicyRule("*", 2)))
    f.ledger.succeed(ChangeKeys(party, policy=policy), keys=[ADMIN])
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11), Refuse(party, 2)), keys=[MAKER])
    assert f.ledger.reject(Approve(party, identity(f, party)), keys=[CHECKER]) == "probe.refused"
    found = waiting(f, party)
    assert found is not None
    assert found.approvals == (MAKER.public,)
    f.ledger.succeed(Pay(party, CASH, 1), keys=[THIRD])
    receipt = f.ledger.succeed(Approve(party, identity(f, party)), keys=[CHECKER])
    assert receipt.events[-1] == Paid(party, 11)


def test_a_suspended_party_completes_nothing(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    f.ledger.succeed(SetStatus(f.ids["bank"], party, "suspended", "check"), keys=[Key("bank")])
    for message in (Approve(party, identity(f, party)), Withdraw(party, identity(f, party))):
        assert f.ledger.reject(message, keys=[CHECKER]) == "party.suspended"


def test_a_closed_party_completes_nothing(f: Founding, party: bytes) -> None:
    f.ledger.succeed(proposal(f, party, Pay(party, CASH, 11)), keys=[MAKER])
    f.ledger.succeed(SetStatus(f.ids["bank"], party, "closed", "ended"), keys=[Key("bank")])
    assert f.ledger.reject(Approve(party, identity(f, party)), keys=[CHECKER]) == "party.closed"

"""Random settlement: delivery versus payment in one transaction or step by step, chains of custodians, ends of every kind."""

from typing import Any

from torture.actions import NOBODY, ODD, Weighted, account, amount, funded, instrument, party
from torture.requests import Desk
from traco.kernel.instruction import Instruction
from traco.modules.settlement import messages as m

LIVES_MS = (50, 500, 5_000, 60_000, 60_000)
EVIDENCE = b"\x0e" * 32


def owner_of(desk: Desk, place: tuple[bytes, bytes]) -> bytes:
    """The owner of the account."""
    row = desk.books.accounts.get(place[1])
    return row["owner"] if row else party(desk)


def account_of(desk: Desk, owner: bytes) -> bytes:
    """An account of a party, mostly."""
    found = [key for key, row in desk.books.accounts.items() if row["owner"] == owner]
    return desk.rng.choice(found) if found and desk.rng.random() > ODD else account(desk)


def legs(desk: Desk) -> tuple[m.SettlementInstruction, ...]:
    """Two legs against each other, one alone, or one passed on by a custodian."""
    first, second = funded(desk), funded(desk)
    sender, payer = owner_of(desk, first), owner_of(desk, second)
    delivery = m.SettlementInstruction(sender, payer, first[0], amount(desk, first), b"delivery")
    payment = m.SettlementInstruction(payer, sender, second[0], amount(desk, second), b"payment")
    passed = m.SettlementInstruction(payer, party(desk), first[0], delivery.amount, b"passed")
    return desk.rng.choice(((delivery, payment), (delivery, payment), (delivery,), (delivery, passed)))


def request(desk: Desk) -> m.CreateBatch:
    """A batch that settles itself or is settled by somebody."""
    auto = desk.rng.random() < 0.5
    settlers = () if auto else tuple(desk.rng.choices(list(desk.books.parties), k=desk.rng.choice((1, 2))))
    if desk.rng.random() < ODD / 4:
        settlers = ()
    deadline = desk.time_ms + desk.rng.choice(LIVES_MS)
    return m.CreateBatch(party(desk), legs(desk), settlers, auto, deadline, desk.salt())


def create(desk: Desk) -> tuple[Instruction, ...]:
    """A batch by itself."""
    return (request(desk),)


def at_once(desk: Desk) -> tuple[Instruction, ...]:
    """Delivery versus payment in one transaction: created, affirmed by both, settled."""
    made = request(desk)
    batch = m.batch_id(made.party, made.salt)
    terms = m.terms_hash(made.legs, made.settlers, made.auto, made.deadline_ms)
    parties = dict.fromkeys([party for leg in made.legs for party in (leg.sender, leg.receiver)])
    affirmed = [affirmation(desk, each, batch, terms, made.legs) for each in parties]
    return (made, *affirmed)


def affirmation(
    desk: Desk, by: bytes, batch: bytes, terms: bytes, agreed: tuple[m.SettlementInstruction, ...]
) -> m.Affirm:
    """All parts that a party has to give, mostly as they should be."""
    allocations: list[tuple[int, m.Allocation]] = []
    approvals: list[tuple[int, m.Approval]] = []
    chained = len(agreed) == 2 and agreed[1].reference == b"passed" and desk.rng.random() > ODD
    for index, leg in enumerate(agreed):
        if leg.sender == by:
            own: m.Allocation = m.OwnHolding(account_of(desk, by))
            allocations.append((index, m.PassThrough(0) if chained and index == 1 else own))
        if leg.receiver == by:
            into: m.Approval = m.IntoAccount(account_of(desk, by))
            approvals.append((index, m.PassedOn(1) if chained and index == 0 else into))
    if desk.rng.random() < ODD:
        index = desk.rng.randrange(3)
        allocations = [(index, desk.rng.choice((m.OutsideProof(EVIDENCE), m.PassThrough(index ^ 1))))]
    if desk.rng.random() < ODD:
        index = desk.rng.randrange(3)
        approvals = [(index, desk.rng.choice((m.TakenOutside(EVIDENCE), m.PassedOn(index ^ 1))))]
    return m.Affirm(by, batch, terms, tuple(allocations), tuple(approvals))


def chosen(desk: Desk) -> tuple[bytes, dict[str, Any]]:
    """A batch, mostly open; sometimes none."""
    still = [key for key, row in desk.books.batches.items() if row["status"] == "open"]
    found = still if still and desk.rng.random() > ODD else list(desk.books.batches)
    if not found or desk.rng.random() < ODD / 4:
        leg = m.SettlementInstruction(party(desk), party(desk), instrument(desk), 1)
        return NOBODY, {"legs": (leg,), "terms": EVIDENCE, "settlers": (), "requestor": party(desk)}
    batch = desk.rng.choice(found)
    return batch, desk.books.batches[batch]


def affirm(desk: Desk) -> tuple[Instruction, ...]:
    """A party of a batch gives its parts, perhaps again."""
    batch, row = chosen(desk)
    leg = desk.rng.choice(row["legs"])
    by = desk.rng.choice((leg.sender, leg.receiver))
    terms = row["terms"] if desk.rng.random() > ODD / 2 else EVIDENCE
    return (affirmation(desk, by, batch, terms, row["legs"]),)


def withdraw(desk: Desk) -> tuple[Instruction, ...]:
    """A party takes its parts back."""
    batch, row = chosen(desk)
    return (m.Withdraw(desk.rng.choice(row["legs"]).sender, batch),)


def settle(desk: Desk) -> tuple[Instruction, ...]:
    """A settler settles."""
    batch, row = chosen(desk)
    by = desk.rng.choice(row["settlers"]) if row["settlers"] and desk.rng.random() > ODD else party(desk)
    return (m.Settle(by, batch),)


def cancel(desk: Desk) -> tuple[Instruction, ...]:
    """The requestor gives up, or somebody tries to."""
    batch, row = chosen(desk)
    return (m.Cancel(row["requestor"] if desk.rng.random() > ODD else party(desk), batch, "torture"),)


SETTLEMENT: Weighted = {
    "create batch": (6, create), "dvp at once": (6, at_once), "affirm": (10, affirm), "withdraw": (2, withdraw),
    "settle": (4, settle), "cancel": (1, cancel),
}  # fmt: skip

"""Random holds, pledges and attachments."""

from typing import Any

from torture.actions import (
    NOBODY,
    ODD,
    Weighted,
    account,
    amount,
    controller,
    funded,
    instrument,
    party,
    reference,
)
from torture.requests import Desk
from traco.kernel.instruction import Instruction
from traco.modules.holding import messages as m

UNKNOWN = b"\x98" * 32
LIVES_MS = (1, 50, 300, 1_000, 5_000, 60_000, 600_000)


def pick(desk: Desk, table: dict[Any, dict[str, Any]]) -> tuple[bytes, dict[str, Any]]:
    """An open claim, or one that is not there."""
    if not table or desk.rng.random() < ODD:
        nothing = {"instrument": instrument(desk), "account": account(desk), "amount": 5, "found": 5}
        return UNKNOWN, nothing
    key = desk.rng.choice(list(table))
    return key, table[key]


def part(desk: Desk, whole: int) -> int:
    """A part of an amount; all of it, and one more, are frequent."""
    if desk.rng.random() < 0.4:
        return max(1, whole + desk.rng.choice((0, 0, 0, 1)))
    return desk.rng.randint(1, max(1, whole))


def whose(desk: Desk, row: dict[str, Any], field: str) -> bytes:
    """The party in a field of a claim, mostly."""
    found = row.get(field, NOBODY)
    return found if found in desk.books.parties and desk.rng.random() > ODD else party(desk)


def named(desk: Desk, row: dict[str, Any]) -> bytes:
    """The instrument of a claim, mostly."""
    found: bytes = row["instrument"]
    return found if desk.rng.random() > ODD / 2 else instrument(desk)


def hold(desk: Desk) -> tuple[Instruction, ...]:
    """An amount set aside; many expire soon."""
    place = funded(desk)
    by, moved = controller(desk, place[1]), amount(desk, place)
    expires = desk.time_ms + desk.rng.choice(LIVES_MS) if desk.rng.random() > ODD / 2 else 0
    return (m.Hold(by, place[1], place[0], moved, party(desk), expires, reference(desk), desk.salt()),)


def execute_hold(desk: Desk) -> tuple[Instruction, ...]:
    """A hold used, in whole or in part."""
    key, row = pick(desk, desk.books.holds)
    by, final = whose(desk, row, "executor"), desk.rng.random() < 0.3
    moved = part(desk, row["amount"])
    return (m.ExecuteHold(by, key, named(desk, row), account(desk), moved, final, reference(desk)),)


def release_hold(desk: Desk) -> tuple[Instruction, ...]:
    """A hold given up."""
    key, row = pick(desk, desk.books.holds)
    return (m.ReleaseHold(whose(desk, row, "executor"), key),)


def pledge(desk: Desk) -> tuple[Instruction, ...]:
    """An amount that secures a claim."""
    place = funded(desk)
    by, moved = controller(desk, place[1]), amount(desk, place)
    return (m.Pledge(by, place[1], place[0], moved, party(desk), reference(desk), desk.salt()),)


def execute_pledge(desk: Desk) -> tuple[Instruction, ...]:
    """The pledgee takes."""
    key, row = pick(desk, desk.books.pledges)
    by, moved = whose(desk, row, "pledgee"), part(desk, row["amount"])
    return (m.ExecutePledge(by, key, named(desk, row), account(desk), moved, reference(desk)),)


def release_pledge(desk: Desk) -> tuple[Instruction, ...]:
    """The pledgee frees."""
    key, row = pick(desk, desk.books.pledges)
    return (m.ReleasePledge(whose(desk, row, "pledgee"), key, named(desk, row), part(desk, row["amount"])),)


def attach(desk: Desk) -> tuple[Instruction, ...]:
    """An order, often for more than there is."""
    place = funded(desk)
    court = desk.world.ids["court"] if desk.rng.random() > ODD else party(desk)
    moved = amount(desk, place) * desk.rng.choice((1, 1, 4))
    return (m.Attach(court, place[1], place[0], moved, b"\x0f" * 32, desk.salt()),)


def lift(desk: Desk) -> tuple[Instruction, ...]:
    """An order ended."""
    key, row = pick(desk, desk.books.attachments)
    return (m.LiftAttachment(whose(desk, row, "authority"), key),)


def execute_attachment(desk: Desk) -> tuple[Instruction, ...]:
    """An order carried out."""
    key, row = pick(desk, desk.books.attachments)
    by, moved = whose(desk, row, "authority"), part(desk, row["found"])
    return (m.ExecuteAttachment(by, key, named(desk, row), account(desk), moved, reference(desk)),)


CLAIMS: Weighted = {
    "hold": (9, hold), "execute hold": (6, execute_hold), "release hold": (4, release_hold), "pledge": (3, pledge),
    "execute pledge": (2, execute_pledge), "release pledge": (2, release_pledge), "attach": (2, attach),
    "lift attachment": (2, lift), "execute attachment": (2, execute_attachment),
}  # fmt: skip

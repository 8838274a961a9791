"""Random changes of keys and policies, recoveries, capabilities, proposals and parameters."""

from typing import Any

import msgspec

from support.founding import ALL_ROLES
from torture.actions import ODD, Weighted, account, amount, funded, party, transfer
from torture.requests import Desk
from torture.world import values
from traco.kernel import operations as kernel
from traco.kernel.codec import Record, encode
from traco.kernel.instruction import Instruction
from traco.modules.holding import messages as holding
from traco.modules.party import messages as m
from traco.modules.party.state import Band, KeyRole, PartyKey, Policy, PolicyRule

ROLES: tuple[tuple[KeyRole, ...], ...] = (
    ALL_ROLES, ALL_ROLES, ALL_ROLES, ("sign",), ("administer",), ("administer", "sign"), ("read",),
)  # fmt: skip
CAPABILITIES = ("authority", "cash_operator", "registry_operator")
LIVES_MS = (0, 300, 60_000, 60_000, 600_000, 600_000, 600_000, 31 * 86_400_000)
LOWERED: dict[str, dict[str, tuple[int, ...]]] = {
    "kernel": {"due_budget": (1, 2, 5)},
    "party": {"max_keys": (1, 2, 4), "recovery_delay_ms": (60_000, 120_000)},
    "holding": {"max_awaiting": (0, 1, 2)},
    "settlement": {"max_legs": (1,)},
    "financing": {"max_holders": (1, 2, 6), "reservation_ms": (1_000, 60_000), "recourse_days": (0, 1)},
}
BROKEN = b"\x90"


def entry(desk: Desk) -> PartyKey:
    """A new key with some roles; rarely one that somebody has or had."""
    key = desk.new_key(f"key {len(desk.keys)} {desk.rng.getrandbits(32)}")
    if desk.rng.random() < ODD:
        key = desk.rng.choice(list(desk.keys))
    return PartyKey(key, desk.rng.choice(ROLES))


def policy(desk: Desk) -> Policy:
    """A policy of a few rules, mostly one that can be met."""
    rng = desk.rng
    band = Band(funded(desk)[0], rng.choice((10, 1_000)))
    rules = rng.choice(
        (
            (), (), (PolicyRule("*", rng.choice((1, 2))),), (PolicyRule("trade", 2), PolicyRule("setup", 1)),
            (PolicyRule("trade", 1, band), PolicyRule("trade", 2)), (PolicyRule("*", 1), PolicyRule("trade", 2)),
            (PolicyRule("administer", 1),),
        )
    )  # fmt: skip
    return Policy(rng.choice((1, 1, 1, 2)), rules)


def change_keys(desk: Desk) -> tuple[Instruction, ...]:
    """Keys added, given other roles, removed, or all replaced; perhaps with another policy."""
    rng, changing = desk.rng, party(desk)
    held = [key for key, _ in desk.books.parties[changing]["keys"]]
    added = tuple(entry(desk) for _ in range(rng.choice((0, 1, 1, 2))))
    removed = tuple(rng.sample(held, rng.randrange(len(held) + 1)))
    if rng.random() < ODD:
        removed = (*removed, rng.choice(list(desk.keys)))
    kept = [key for key in held if key not in removed]
    changed = tuple(PartyKey(key, rng.choice(ROLES)) for key in kept if rng.random() < 0.2)
    if not any(each.roles == ALL_ROLES for each in added) and rng.random() > 3 * ODD:
        added = (*added, PartyKey(entry(desk).key, ALL_ROLES))  # or most changes would lock the party out
    new_policy = policy(desk) if rng.random() < 0.5 else None
    return (m.ChangeKeys(changing, added, changed, removed, new_policy),)


def begin_recovery(desk: Desk) -> tuple[Instruction, ...]:
    """New keys for a party that lost its own; it may not have lost them."""
    subject = desk.rng.choice(list(desk.books.parties))
    keys = (PartyKey(entry(desk).key, ALL_ROLES), *(entry(desk) for _ in range(desk.rng.choice((0, 0, 1)))))
    member = desk.world.ids["council"] if desk.rng.random() > ODD else party(desk)
    return (m.BeginRecovery(member, subject, keys, policy(desk) if desk.rng.random() < 0.3 else Policy()),)


def cancel_recovery(desk: Desk) -> tuple[Instruction, ...]:
    """A recovery stopped by the subject or its sponsor, or by somebody who may not."""
    waiting = list(desk.books.recoveries)
    if not waiting and not _is_odd(desk):
        return begin_recovery(desk)
    subject = desk.rng.choice(waiting) if waiting and not _is_odd(desk) else party(desk)
    by = desk.rng.choice((subject, subject, desk.world.ids["council"], party(desk)))
    return (m.CancelRecovery(by, subject),)


def _council(desk: Desk) -> tuple[bytes, ...]:
    return (
        desk.rng.choice(((party(desk),), (*desk.books.council, party(desk))))
        if _is_odd(desk)
        else desk.books.council
    )


def _is_odd(desk: Desk) -> bool:
    return desk.rng.random() < ODD


def set_role(desk: Desk) -> tuple[Instruction, ...]:
    """A capability given or taken; the founders mostly keep theirs, or business would end."""
    role = desk.rng.choice(CAPABILITIES)
    having = [key for key, row in desk.books.parties.items() if role in row["roles"]]
    subject = desk.rng.choice(having) if desk.rng.random() < 0.4 and having else party(desk)
    founder = subject in desk.world.ids.values() and not _is_odd(desk)
    if founder or (subject in having) == _is_odd(desk):
        return (m.GrantRole(_council(desk), subject, role),)
    return (m.RevokeRole(_council(desk), subject, role),)


# members and nodes


def decide_status(desk: Desk) -> tuple[Instruction, ...]:
    """A member suspended for a while; most of the time those that are suspended come back."""
    members = [key for key, row in desk.books.parties.items() if row["member"]]
    suspended = [key for key in members if desk.books.parties[key]["status"] == "suspended"]
    if suspended and not _is_odd(desk):
        return (m.DecideStatus(_council(desk), desk.rng.choice(suspended), "active", "torture"),)
    ids = desk.world.ids
    subject = desk.rng.choice(
        (ids["court"], ids["court"], ids["court"], ids["central"], ids["council"], party(desk))
    )
    closes = subject == ids["court"] and desk.rng.random() < ODD / 2
    return (m.DecideStatus(_council(desk), subject, "closed" if closes else "suspended", "torture"),)


def set_node(desk: Desk) -> tuple[Instruction, ...]:
    """A node registered or retired; not the one that runs, or nothing would be submitted any more."""
    nodes = [key for key in desk.books.nodes if key != desk.world.node.public_key]
    if nodes and desk.rng.random() < 0.5:
        key = desk.rng.choice(nodes)
        owner = desk.books.nodes[key]["member"]
        return (m.RetireNode(party(desk) if _is_odd(desk) else owner, key),)
    key = desk.rng.choice(nodes) if nodes and _is_odd(desk) else desk.new_key(f"node {len(desk.keys)}")
    member = party(desk) if _is_odd(desk) else desk.rng.choice((desk.world.member, *desk.world.ids.values()))
    desk.nodes.append(key)
    return (m.RegisterNode(member, key),)


# proposals


def _operation(desk: Desk, by: bytes) -> tuple[Instruction, ...]:
    """Something that one party alone may want; rarely nothing, or what must not be proposed."""
    kind = desk.rng.randrange(5)
    if desk.rng.random() < ODD:
        return desk.rng.choice(((), (kernel.Withdraw(by, b"\x11" * 32),), transfer(desk)))
    if kind == 0:
        return tuple(msgspec.structs.replace(each, party=by) for each in change_keys(desk))
    if kind == 1 and by == desk.world.member:
        return set_parameters(desk)
    opened = holding.OpenAccount(
        by,
        by,
        holding.AccountKind.OWN,
        holding.DebitControl.OWNER,
        holding.CreditControl.OPEN,
        None,
        desk.salt(),
    )
    own = [
        place for place, amount in desk.books.available.items() if amount and _controls(desk, place[1], by)
    ]
    if not own:
        return (opened,)
    place = desk.rng.choice(own)
    moved = holding.Transfer(by, *place, account(desk), amount(desk, place), b"proposed")
    return (moved,) if desk.rng.random() < 0.6 else (opened, moved)


def _controls(desk: Desk, found: bytes, by: bytes) -> bool:
    return bool(desk.books.accounts[found]["debit"] == by)


def propose(desk: Desk) -> tuple[Instruction, ...]:
    """An operation of a party whose policy asks for several keys, or of any."""
    rows = desk.books.parties.items()
    several = [
        key for key, row in rows if row["status"] == "active" and any(rule.threshold > 1 for rule in row["policy"].rules)
    ]  # fmt: skip
    by = desk.rng.choice(several) if several and desk.rng.random() > 3 * ODD else party(desk)
    inner = _operation(desk, by)
    operation = encode(inner)
    desk.books.operations[operation] = inner
    if desk.rng.random() < ODD / 2:
        operation = operation[:-1] or b"\xc1"
    return (kernel.Propose(by, operation, desk.time_ms + desk.rng.choice(LIVES_MS), desk.salt()),)


def _proposal(desk: Desk) -> tuple[bytes, dict[str, Any]] | None:
    """An open proposal, rarely one that nobody made; None where there is none."""
    found = list(desk.books.proposals)
    if _is_odd(desk):
        return b"\x12" * 32, {"party": party(desk)}
    if not found:
        return None
    key = desk.rng.choice(found[-6:])
    return key, desk.books.proposals[key]


def approve(desk: Desk) -> tuple[Instruction, ...]:
    """One more key for a proposal."""
    found = _proposal(desk)
    if found is None:
        return propose(desk)
    key, row = found
    return (kernel.Approve(party(desk) if desk.rng.random() < ODD / 2 else row["party"], key),)


def withdraw(desk: Desk) -> tuple[Instruction, ...]:
    """A proposal taken back."""
    found = _proposal(desk)
    if found is None:
        return propose(desk)
    key, row = found
    return (kernel.Withdraw(party(desk) if _is_odd(desk) else row["party"], key),)


# parameters


def set_parameters(desk: Desk) -> tuple[Instruction, ...]:
    """A limit lowered or raised; half of the time everything is as founded again. Rarely the record of another owner."""
    owner = desk.rng.choice(list(LOWERED))
    changed = [
        name.decode() for name, row in desk.books.parameters.items() if row != values(desk.world.records[name.decode()])
    ]  # fmt: skip
    record: Record = desk.world.records[owner]
    if changed and desk.rng.random() < 0.6:
        owner = desk.rng.choice(changed)
        record = desk.world.records[owner]
    else:
        name = desk.rng.choice(list(LOWERED[owner]))
        record = msgspec.structs.replace(record, **{name: desk.rng.choice(LOWERED[owner][name])})
    encoded = encode(record)
    desk.books.records[encoded] = (owner, values(record))
    if _is_odd(desk):
        owner, encoded = desk.rng.choice(((owner, BROKEN), ("nothing", encoded), ("document", encoded)))
    return (kernel.SetParameters(_council(desk), owner, encoded),)


KEYS: Weighted = {
    "change keys": (6, change_keys), "begin recovery": (3, begin_recovery), "cancel recovery": (2, cancel_recovery),
    "set role": (2, set_role), "propose": (6, propose), "approve": (7, approve), "withdraw proposal": (1, withdraw),
    "set parameters": (3, set_parameters), "decide status": (2, decide_status), "set node": (2, set_node),
}  # fmt: skip

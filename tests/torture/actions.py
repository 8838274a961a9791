"""What parties ask for, at random: parties, instruments, accounts, issues and transfers. More in ``actions_claims``, ``actions_settlement``.

An action looks at the model to ask for something that mostly makes sense. Whether it succeeds is not its business.
"""

from collections.abc import Callable, Mapping
from typing import Any

from support.founding import ALL_ROLES
from support.ledger import Key
from torture.requests import Desk, Request
from traco.kernel.codec import derive_id
from traco.kernel.instruction import Instruction
from traco.modules.holding import messages as m
from traco.modules.holding.messages import AccountKind, CreditControl, DebitControl, InstrumentKind
from traco.modules.party.messages import RegisterParty, SetStatus
from traco.modules.party.state import PartyKey, Policy, PolicyRule, Status

TERMS = b"\x07" * 32
NOBODY = b"\x99" * 16
ODD = 0.08  # how often an action names something that does not fit

Action = Callable[[Desk], tuple[Instruction, ...]]
Weighted = Mapping[str, tuple[int, Action]]


def party(desk: Desk) -> bytes:
    """A party, mostly active."""
    active = [key for key, row in desk.books.parties.items() if row["status"] == "active"]
    return desk.rng.choice(list(desk.books.parties)) if desk.rng.random() < ODD else desk.rng.choice(active)


def account(desk: Desk) -> bytes:
    """An account, mostly open; very rarely none."""
    usable = [key for key, row in desk.books.accounts.items() if not row["closed"]]
    if not usable or desk.rng.random() < ODD / 4:
        return NOBODY
    return desk.rng.choice(list(desk.books.accounts)) if desk.rng.random() < ODD else desk.rng.choice(usable)


def instrument(desk: Desk) -> bytes:
    """An instrument, mostly the first ones; very rarely none."""
    known = list(desk.books.instruments)
    if not known or desk.rng.random() < ODD / 8:
        return NOBODY
    return desk.rng.choice(known[:2]) if desk.rng.random() < 0.9 else desk.rng.choice(known)


def funded(desk: Desk, least: int = 1) -> tuple[bytes, bytes]:
    """(instrument, account) with something available, mostly."""
    rich = [place for place, amount in desk.books.available.items() if amount >= least]
    if not rich or desk.rng.random() < ODD:
        return instrument(desk), account(desk)
    return desk.rng.choice(rich)


def amount(desk: Desk, place: tuple[bytes, bytes]) -> int:
    """An amount, mostly within what is available in a place; all of it, and one more, are frequent."""
    there = desk.books.available.get(place, 0)
    if desk.rng.random() < 0.2:
        return max(1, there + desk.rng.choice((-1, 0, 0, 1)))
    return desk.rng.randint(1, max(1, there // 3))


def controller(desk: Desk, of: bytes, side: str = "debit") -> bytes:
    """Who controls an account, mostly."""
    row = desk.books.accounts.get(of)
    if row is None or row[side] is None or desk.rng.random() < ODD:
        return party(desk)
    found: bytes = row[side]
    return found


def reference(desk: Desk) -> bytes:
    """A reference of up to 64 bytes."""
    return desk.rng.randbytes(desk.rng.choice((0, 4, 64)))


def _registration(desk: Desk, member: bytes, salt: bytes) -> RegisterParty:
    """A new party, with one key or two of three; sometimes with a key that somebody has."""
    count = desk.rng.choice((1, 1, 3))
    names = [f"trader {len(desk.keys)} {desk.rng.getrandbits(32)}" for _ in range(count)]
    keys = [desk.new_key(name) for name in names]
    if desk.rng.random() < ODD / 2:
        keys[0] = desk.rng.choice(list(desk.keys))
    policy = Policy(rules=(PolicyRule("*", 2),)) if count == 3 else Policy()
    entries = tuple(PartyKey(key, ALL_ROLES) for key in dict.fromkeys(keys))
    return RegisterParty(member, salt, "organisation", entries, names[0], policy=policy)


def register(desk: Desk) -> tuple[Instruction, ...]:
    """A new party without an account."""
    member = desk.world.ids["council"] if desk.rng.random() > ODD else party(desk)
    return (_registration(desk, member, desk.salt()),)


def newcomer(desk: Desk) -> tuple[Instruction, ...]:
    """A party, its account and its first money, in one transaction of three parties."""
    member, central, salt = desk.world.ids["council"], desk.world.ids["central"], desk.salt()
    owner = derive_id("party", member, salt)
    opened = derive_id("account", central, salt)
    return (
        _registration(desk, member, salt),
        m.OpenAccount(central, owner, AccountKind.CLIENT, DebitControl.OWNER, CreditControl.OPEN, None, salt),
        m.Issue(central, instrument(desk), opened, desk.rng.randint(1, 5_000), b"welcome"),
    )


def set_status(desk: Desk) -> tuple[Instruction, ...]:
    """A suspension or its end; rarely for good."""
    subject = desk.rng.choice(list(desk.books.parties))
    was = desk.books.parties[subject]["status"]
    choices: tuple[Status, ...] = ("suspended", "suspended", "active", "closed")
    status: Status = "active" if was == "suspended" else desk.rng.choice(choices)
    if status == "closed" and desk.rng.random() < 0.7:
        status = "suspended"
    member = desk.world.ids["council"] if desk.rng.random() > ODD else party(desk)
    return (SetStatus(member, subject, status, "torture"),)


def create_instrument(desk: Desk) -> tuple[Instruction, ...]:
    """A new instrument, cash or a security, under a code that may be in use."""
    issuer = desk.world.ids["central"] if desk.rng.random() < 0.7 else party(desk)
    kind = desk.rng.choice((InstrumentKind.CASH, InstrumentKind.SECURITY))
    currency = desk.rng.choice(("EUR", "EUR", "EUR", None)) if kind is InstrumentKind.CASH else None
    operators = tuple(desk.rng.choices((issuer, issuer, party(desk)), k=desk.rng.choice((1, 1, 1, 2))))
    cap = desk.rng.choice((100, 10_000, 2**63 - 1))
    code = f"X{desk.rng.randrange(12)}"
    return (m.CreateInstrument(issuer, code, kind, currency, 2, TERMS, operators, "", cap),)


def close_instrument(desk: Desk) -> tuple[Instruction, ...]:
    """The end of an instrument that may be in use."""
    found = desk.rng.choice([*desk.books.instruments, NOBODY])
    row = desk.books.instruments.get(found)
    return (m.CloseInstrument(row["issuer"] if row else party(desk), found),)


def open_account(desk: Desk) -> tuple[Instruction, ...]:
    """A new account of any kind, sometimes below another."""
    servicer, salt = party(desk), desk.salt()
    owner = servicer if desk.rng.random() < 0.5 else party(desk)
    kind = AccountKind.OWN if owner == servicer else AccountKind.CLIENT
    if desk.rng.random() < 0.3:
        kind = desk.rng.choice(list(AccountKind))
    parent = account(desk) if desk.rng.random() < 0.2 else None
    debit, credit = desk.rng.choice(list(DebitControl)), CreditControl.OPEN
    if desk.rng.random() < 0.3:
        credit = desk.rng.choice(list(CreditControl))
    return (m.OpenAccount(servicer, owner, kind, debit, credit, parent, salt),)


def close_account(desk: Desk) -> tuple[Instruction, ...]:
    """The end of an account that may be in use."""
    found = account(desk)
    row = desk.books.accounts.get(found)
    return (m.CloseAccount(row["owner"] if row and desk.rng.random() > ODD else party(desk), found),)


def issue(desk: Desk) -> tuple[Instruction, ...]:
    """New value."""
    found = instrument(desk)
    row = desk.books.instruments.get(found)
    operator = _operator(desk, row)
    return (m.Issue(operator, found, account(desk), desk.rng.randint(1, 20_000), reference(desk)),)


def _operator(desk: Desk, row: dict[str, Any] | None) -> bytes:
    """Who may issue an instrument, mostly; a receivable has nobody."""
    if row is None or not row["operators"] or desk.rng.random() < ODD:
        return party(desk)
    found: bytes = row["operators"][0]
    return found


def redeem(desk: Desk) -> tuple[Instruction, ...]:
    """Value taken back."""
    place = funded(desk)
    row = desk.books.instruments.get(place[0])
    operator = _operator(desk, row)
    holder = controller(desk, place[1])
    return (m.Redeem(operator, holder, *place, amount(desk, place), reference(desk)),)


def transfer(desk: Desk) -> tuple[Instruction, ...]:
    """Value moved."""
    place = funded(desk)
    return (_transfer(desk, place, amount(desk, place)),)


def transfers(desk: Desk) -> tuple[Instruction, ...]:
    """Several movements, all or none; often the last one cannot be paid."""
    place = funded(desk, least=3)
    third = max(1, desk.books.available.get(place, 0) // 3)
    return tuple(_transfer(desk, place, third + desk.rng.choice((0, 0, 1))) for _ in range(3))


def _transfer(desk: Desk, place: tuple[bytes, bytes], moved: int) -> m.Transfer:
    sender = controller(desk, place[1])
    return m.Transfer(sender, *place, account(desk), moved, reference(desk))


BASIC: Weighted = {
    "register": (3, register), "newcomer": (3, newcomer), "set status": (2, set_status),
    "create instrument": (2, create_instrument), "close instrument": (1, close_instrument),
    "open account": (6, open_account), "close account": (3, close_account), "issue": (6, issue), "redeem": (5, redeem),
    "transfer": (24, transfer), "transfers": (6, transfers),
}  # fmt: skip


def founding_business(desk: Desk) -> list[Request]:
    """What every run begins with: traders with accounts, two instruments, and money."""
    council, central = desk.world.ids["council"], desk.world.ids["central"]
    instruments = [derive_id("instrument", central, code) for code in (b"EUR", b"BOND")]
    cash = m.CreateInstrument(central, "EUR", InstrumentKind.CASH, "EUR", 2, TERMS, (central,))
    bond = m.CreateInstrument(central, "BOND", InstrumentKind.SECURITY, None, 0, TERMS, (central,))
    requests = [Request("create instrument", (cash, bond))]
    for name in ("seller", "buyer", "bank", "rival"):
        salt, key = desk.salt(), desk.new_key(name)
        owner = derive_id("party", council, salt)
        entry = PartyKey(Key(name).public, ALL_ROLES)
        assert key == entry.key
        money: tuple[Any, ...] = tuple(
            m.Issue(central, each, derive_id("account", central, salt), 50_000, b"founding")
            for each in instruments
        )
        opened = m.OpenAccount(
            central, owner, AccountKind.CLIENT, DebitControl.OWNER, CreditControl.OPEN, None, salt
        )
        registered = RegisterParty(council, salt, "organisation", (entry,), name)
        requests.append(Request("newcomer", (registered, opened, *money)))
    return requests

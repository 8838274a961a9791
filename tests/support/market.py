"""A ledger of the business modules for tests: a council, an issuer of cash, an authority, traders with funded accounts.

Everybody is known by a name, has the one key ``Key(name)`` and one account of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from support.founding import ALL_ROLES, founding
from support.ledger import Key, RejectedInTest
from traco.kernel.instruction import Instruction
from traco.kernel.module import Module
from traco.kernel.receipt import Receipt
from traco.modules.holding.messages import CreateInstrument, Issue, OpenAccount
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.ports import TransferCheck
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    Holding,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.module import PartyModule
from traco.modules.party.state import PartyKey
from traco.modules.settlement.module import SettlementModule

MEMBERS = ("council", "central", "court")
TRADERS = ("seller", "buyer", "bank", "rival", "custodian")
ROLES: dict[str, Sequence[str]] = {"central": ("cash_operator",), "court": ("authority",)}
TERMS = b"\x07" * 32
CASH = 1_000_000  # cents that each trader but the seller starts with
BONDS = 1_000  # that the seller starts with

OWNER, OPEN = DebitControl.OWNER, CreditControl.OPEN


class Market:
    """The ledger and the ways tests act for its parties, by name.

    ``council`` (like any member it may govern alone) vouches for the traders, ``central`` issues ``cash`` and ``bond``, ``court`` may attach.
    ``extra`` is given this market before the ledger is founded and returns more modules, built over its keepers.
    """

    def __init__(
        self,
        extra: Callable[["Market"], Sequence[Module]] | None = None,
        transfer_checks: Mapping[str, TransferCheck] | None = None,
        parameters: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.party = PartyModule()
        self.holding = HoldingModule(self.party.keeper, transfer_checks)
        self.settlement = SettlementModule(self.party.keeper, self.holding.keeper)
        modules = (self.holding, self.settlement, *(extra(self) if extra else ()))
        self.founding = founding(
            MEMBERS, modules, party=self.party, roles=ROLES, parameters=parameters,
        )  # fmt: skip
        self.ledger = self.founding.ledger
        self.ids = dict(self.founding.ids)
        self.accounts: dict[str, bytes] = {}
        self.expected_alarms = 0
        self._register(TRADERS)
        self._open_accounts((*MEMBERS, *TRADERS))
        self.cash = self.create_instrument("EUR", InstrumentKind.CASH)
        self.bond = self.create_instrument("BOND", InstrumentKind.SECURITY)
        self._fund()

    # acting

    @property
    def state(self) -> Any:
        """The committed state."""
        return self.ledger.application.state

    @property
    def time_ms(self) -> int:
        """The time of the last block."""
        return self.ledger.time_ms

    def do(self, names: str, *messages: Instruction) -> Receipt:
        """Submit what the named parties (separated by spaces) sign; it must succeed."""
        return self.ledger.succeed(*messages, keys=keys_of(names))

    def refused(self, names: str, *messages: Instruction) -> str:
        """Submit what must be refused; the code."""
        return self.ledger.reject(*messages, keys=keys_of(names))

    def wire(self, names: str, *messages: Instruction) -> bytes:
        """A signed transaction, not yet submitted."""
        return self.ledger.transaction(messages, *keys_of(names))

    def block(self, wires: Iterable[bytes]) -> None:
        """One block of transactions that must all succeed."""
        for answer in self.ledger.run_block(list(wires)):
            if answer.failure is not None:
                raise RejectedInTest(f"{answer.failure.code} {answer.failure.fields} {self.ledger.alarms}")

    def check(self) -> None:
        """Every invariant of the whole ledger holds, and there were no alarms but the expected ones."""
        assert self.ledger.check_invariants() == []
        assert len(self.ledger.alarms) == self.expected_alarms, self.ledger.alarms

    # looking

    def held(self, name: str, instrument: bytes) -> Holding:
        """The holding in a party's account."""
        return self.holding.keeper.holding(self.state, instrument, self.accounts[name])

    def balances(self, instrument: bytes, names: str) -> list[tuple[int, int]]:
        """(available, encumbered) in the accounts of the named parties."""
        found = [self.held(name, instrument) for name in names.split()]
        return [(row.available, row.encumbered) for row in found]

    # making

    def create_instrument(self, code: str, kind: InstrumentKind, transfer_check: str = "") -> bytes:
        """Create an instrument that ``central`` issues and operates; its id."""
        issuer, currency = self.ids["central"], "EUR" if kind is InstrumentKind.CASH else None
        message = CreateInstrument(issuer, code, kind, currency, 2, TERMS, (issuer,), transfer_check)
        self.do("central", message)
        return instrument_id(issuer, code)

    def issue(self, instrument: bytes, name: str, amount: int) -> None:
        """Issue into a party's account."""
        self.do("central", self._issue(instrument, name, amount))

    def open_account(
        self, owner: str, *, servicer: str | None = None, debit: DebitControl = OWNER,
        credit: CreditControl = OPEN, kind: AccountKind | None = None,
    ) -> bytes:  # fmt: skip
        """Open one more account for a party, serviced by itself unless said otherwise; its id."""
        by, salt = servicer or owner, self.ledger.salt()
        kind = kind or (AccountKind.OWN if by == owner else AccountKind.CLIENT)
        message = OpenAccount(self.ids[by], self.ids[owner], kind, debit, credit, None, salt)
        self.do(" ".join(name for name in self.ids if self.ids[name] in message.actors()), message)
        return account_id(self.ids[by], salt)

    def _issue(self, instrument: bytes, name: str, amount: int) -> Issue:
        return Issue(self.ids["central"], instrument, self.accounts[name], amount, b"")

    def _register(self, names: Sequence[str]) -> None:
        council, wires = self.ids["council"], []
        for name in names:
            keys, salt = (PartyKey(Key(name).public, ALL_ROLES),), self.ledger.salt()
            wires.append(self.wire("council", RegisterParty(council, salt, "organisation", keys, name)))
            self.ids[name] = party_id(council, salt)
        self.block(wires)

    def _open_accounts(self, names: Sequence[str]) -> None:
        wires = []
        for name in names:
            party, salt = self.ids[name], self.ledger.salt()
            wires.append(self.wire(name, OpenAccount(party, party, AccountKind.OWN, OWNER, OPEN, None, salt)))
            self.accounts[name] = account_id(party, salt)
        self.block(wires)

    def _fund(self) -> None:
        issues = [self._issue(self.cash, name, CASH) for name in TRADERS if name != "seller"]
        self.do("central", *issues, self._issue(self.bond, "seller", BONDS))


def keys_of(names: str) -> list[Key]:
    """The keys of parties named in one text, in the order that transactions need."""
    return sorted((Key(name) for name in names.split()), key=lambda key: key.public)

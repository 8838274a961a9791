"""The organisations of the demonstration, each with an encrypted key store of its own, an account, and cash."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from traco.client.keystore import KeyStore
from traco.client.sdk import LedgerClient, Party
from traco.demo.stage import money
from traco.kernel.crypto import Scheme
from traco.kernel.identifiers import IdentifierInvalid, check_lei
from traco.modules.holding.messages import CreateInstrument, Issue, OpenAccount
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.modules.party.messages import GrantRole, RegisterParty, party_id
from traco.modules.party.state import Identifier, PartyKey
from traco.services.doc.amounts import EXPONENTS
from traco.services.doc.invoice import TradeParty
from traco.services.doc.normalise import normal_text

LEI_SCHEME: Final = "0199"
ROLES: Final = ("sign", "administer", "read")
KEY: Final = "main"
START: Final = 2_000_000  # whole units of cash that banks and buyers start with


class Organisation:
    """A registered party with its session and its account."""

    def __init__(self, name: str, party: Party, account: bytes, lei: str | None) -> None:
        self.name, self.party, self.account, self.lei = name, party, account, lei

    @property
    def id(self) -> bytes:
        """Its party id."""
        return self.party.id


class Cast:
    """Everybody who takes part, and the cash that the cash operator issues."""

    def __init__(self, client: LedgerClient, operator: Party, keys: Path, passphrase: str) -> None:
        self.client, self.operator = client, operator
        self.sponsors: tuple[Party, ...] = (operator,)
        self._keys, self._passphrase = keys, passphrase
        self._known: dict[str, Organisation] = {}
        self._leis: set[str] = set()
        self._cash: dict[str, bytes] = {}
        self.cash_operator: Organisation | None = None
        keys.mkdir(mode=0o700)

    def welcome(self, name: str, party: Party) -> Organisation:
        """An organisation that is on the ledger already, such as a founder: open its account."""
        organisation = Organisation(name, party, self.open_account(party), None)
        self._known[normal_text(name)] = organisation
        return organisation

    def register(
        self, name: str, lei: str | None = None, role: str | None = None, member: Party | None = None
    ) -> Organisation:
        """Make keys, register the party with a member as sponsor, and open its account.

        It then acts through the gateway of its sponsor. Where none is given, members take turns.
        """
        member = member or self.sponsors[len(self._known) % len(self.sponsors)]
        salt, number = os.urandom(16), len(self._known) + 1
        with KeyStore.create(self._keys / f"{number:02}.keys", self._passphrase) as store:
            store.generate(KEY, Scheme.ED25519, ROLES)
            signer = store.signer(KEY)
        sponsor = member.id
        identifiers = (Identifier(LEI_SCHEME, lei),) if lei else ()
        key = PartyKey(signer.public_key, ROLES)
        member.transact(
            RegisterParty(sponsor, salt, "organisation", (key,), name[:128], identifiers=identifiers),
            *([GrantRole((sponsor,), party_id(sponsor, salt), role)] if role else []),
        )
        party = member.client.party(party_id(sponsor, salt), signer)
        organisation = Organisation(name, party, self.open_account(party), lei)
        self._known[normal_text(name)] = organisation
        if lei:
            self._leis.add(lei)
        return organisation

    def open_account(self, party: Party) -> bytes:
        """An account of a party's own, that anybody may credit and only the party may debit."""
        salt = os.urandom(16)
        party.transact(
            OpenAccount(
                party.id, party.id, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
            )
        )
        return account_id(party.id, salt)

    def everybody(self) -> list[Organisation]:
        """All who are registered, in the order of their registration."""
        return list(self._known.values())

    def key_store(self, organisation: Organisation) -> Path:
        """The file with an organisation's keys."""
        return self._keys / f"{self.everybody().index(organisation) + 1:02}.keys"

    def currencies(self) -> list[tuple[str, bytes]]:
        """The currencies of which there is cash, with their instruments."""
        return sorted(self._cash.items())

    def named(self, trader: TradeParty) -> tuple[Organisation, bool]:
        """The organisation that an invoice names, and whether it was registered just now."""
        found = self._known.get(normal_text(trader.name))
        if found is not None:
            return found, False
        return self.register(trader.name, self._usable_lei(trader)), True

    def _usable_lei(self, trader: TradeParty) -> str | None:
        """The LEI in an invoice, where its check digits are right and nobody else has it."""
        for scheme, value in trader.identifiers:
            if scheme == LEI_SCHEME and value not in self._leis:
                try:
                    check_lei(value)
                except IdentifierInvalid:
                    return None
                return value
        return None

    def cash(self, currency: str) -> bytes:
        """The cash instrument of a currency, created when it is first needed."""
        issuer = self.cash_operator
        if issuer is None:
            raise LookupError("the cash operator is not registered yet")
        if currency not in self._cash:
            terms = sha256(f"Cash in {currency}, redeemable at par".encode()).digest()
            issuer.party.transact(
                CreateInstrument(
                    issuer.id,
                    f"CASH-{currency}",
                    InstrumentKind.CASH,
                    currency,
                    EXPONENTS[currency],
                    terms,
                    (issuer.id,),
                )
            )
            self._cash[currency] = instrument_id(issuer.id, f"CASH-{currency}")
        return self._cash[currency]

    def fund(
        self, organisation: Organisation, currency: str, amount: int, account: bytes | None = None
    ) -> None:
        """Issue cash (in smallest units) to an organisation's account."""
        issuer = self.cash_operator
        if issuer is None:
            raise LookupError("the cash operator is not registered yet")
        cash = self.cash(currency)
        issuer.party.transact(Issue(issuer.id, cash, account or organisation.account, amount, b"demo"))

    def balance(self, currency: str, account: bytes) -> int:
        """What is available of a currency in an account, in smallest units."""
        found = self.client.query("holding.get", instrument=self.cash(currency), account=account)
        return int(found["available"]) if found else 0

    def shown(self, currency: str, amount: int) -> str:
        """An amount as people write it."""
        return money(amount, currency, EXPONENTS[currency])

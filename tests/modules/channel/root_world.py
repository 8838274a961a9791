"""A world whose root settles too: a bond on the root, and settlements that move it there, into channels and out of them."""

from collections.abc import Sequence
from typing import Any

from modules.channel.deals import Deals
from modules.channel.world import MEMBERS, World
from support.founding import founding
from support.ledger import Key
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import Instruction
from traco.modules.channel.keeper import Keeper as ChannelKeeper
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.parts import EdgeMovement, LegTerms, RootLeg, SettlementTerms
from traco.modules.channel.root_legs import RootLegs
from traco.modules.channel.signing import root_leg_message, terms_id
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    account_id,
    instrument_id,
)
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.state import Holding
from traco.modules.leg.messages import Export, HoldLeg, Import, LegContent, leg_commitment
from traco.modules.leg.module import LegModule
from traco.modules.party.module import PartyModule

SALT = b"s" * 32
ISSUED = 1_000


class RootWorld(World):
    """``a`` issues a bond and has all of it; ``b`` has an account for it."""

    def __init__(self) -> None:
        party = PartyModule()
        self.holding = HoldingModule(party.keeper, channels=ChannelKeeper())
        root_legs = RootLegs(party.authority)
        self.leg = LegModule(self.holding.keeper, root_legs)
        self.module = ChannelModule(party.keeper, root_legs, self.leg.keeper)
        modules = [self.holding, self.leg, self.module]
        made = founding(MEMBERS, modules, party=party, threshold=2, protocol=3)
        self.ledger, self.ids, self.keys, self.party = made.ledger, made.ids, made.keys, party
        self.keeper = self.module.keeper
        self.network = self.ledger.application.network
        self.names = {identity: name for name, identity in self.ids.items()}
        for name in MEMBERS:
            self.do(name, self.seat(name))
        self.bond = self._bond()
        self.accounts = {name: self._account(name) for name in ("a", "b")}
        self.do("a", Issue(self.ids["a"], self.bond, self.accounts["a"], ISSUED, b""))
        self.deals = Deals(self)

    def _bond(self) -> bytes:
        issuer = self.ids["a"]
        terms = bytes(32)
        self.do("a", CreateInstrument(issuer, "BOND", InstrumentKind.SECURITY, None, 2, terms, (issuer,)))
        return instrument_id(issuer, "BOND")

    def _account(self, name: str) -> bytes:
        owner, salt = self.ids[name], self.ledger.salt()
        message = OpenAccount(
            owner, owner, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
        )
        self.do(name, message)
        return account_id(owner, salt)

    # legs on the root

    def move(self, amount: int) -> LegContent:
        """From a's account to b's."""
        return LegContent((Movement(self.bond, self.accounts["a"], self.accounts["b"], amount, b""),))

    def out(self, amount: int) -> LegContent:
        """From a's account to another ledger."""
        return LegContent(exports=(Export(self.bond, self.accounts["a"], amount),))

    def into(self, amount: int) -> LegContent:
        """From another ledger into b's account."""
        return LegContent(imports=(Import(self.bond, self.accounts["b"], amount),))

    def root_terms(self, content: LegContent, edge: int = 0) -> LegTerms:
        movements = (EdgeMovement(self.bond, edge),) if edge else ()
        return LegTerms(ROOT, leg_commitment(SALT, content), (), movements)

    def root_leg(
        self, agreed: SettlementTerms, content: LegContent, *names: str, signers: Sequence[str] = (), **changes: Any
    ) -> RootLeg:  # fmt: skip
        """The leg with this content, in which these organisations act; signed by them, or by others."""
        fields: dict[str, Any] = {
            "parties": self.parties(*names), "terms": terms_id(self.network, agreed), "salt": SALT, "content": content,
            **changes,
        }  # fmt: skip
        return self.signed(agreed, [HoldLeg(**fields)], *(signers or names))

    def signed(self, terms: SettlementTerms, instructions: Sequence[Instruction], *names: str) -> RootLeg:
        """Instructions as a leg on the root, signed for the terms."""
        raw = encode(tuple(instructions))
        message = root_leg_message(self.network, terms_id(self.network, terms), raw)
        signatures = [Key(name).signature(message) for name in names]
        return RootLeg(raw, tuple(sorted(signatures, key=lambda signature: signature.key)))

    def owns(self, name: str) -> Holding:
        """What an organisation has of the bond on the root."""
        return self.holding.keeper.holding(self.state, self.bond, self.accounts[name])

    # what crosses edges

    def imported(self, channel: bytes) -> tuple[int, int, int]:
        """What a channel took in of the bond, and what is promised out of it and into it."""
        edge = self.keeper.edge(self.state, self.bond, channel)
        return edge.imported, edge.outgoing, edge.incoming

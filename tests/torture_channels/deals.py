"""Settlements across channels and the root, from agreeing to the decision, and attempts that must not succeed."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from channels.seat.fuses import Died
from torture_channels.auditor import Auditor
from torture_channels.lines import BRIDGED, Line
from torture_channels.town import Town
from traco.channels.seat.errors import SubmissionRefused
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT, encode
from traco.modules.channel.messages import Attempt
from traco.modules.channel.parts import EdgeMovement, LegTerms, RootLeg, SealedLeg, SettlementTerms
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
from traco.modules.holding.state import HOLDINGS, SUPPLIES
from traco.modules.leg.messages import Export, HoldLeg, Import, LegContent, leg_commitment

ISSUED: Final = 1_000_000  # of the bridged instrument, to each of four on the root
SALT: Final = b"on the root".ljust(16, b"\0")
ON_ROOT: Final = ("a", "b", "c", "d")

RootEffects = tuple[tuple[str, int], ...]


class Square:
    """The root's own side: a bridged instrument, and accounts for it."""

    def __init__(self, town: Town) -> None:
        self.town, self.instrument = town, instrument_id(town.ids["a"], BRIDGED)

    def account(self, name: str) -> bytes:
        """Somebody's account on the root."""
        return account_id(self.town.ids[name], SALT)

    def fill(self) -> None:
        """Everybody has some."""
        town, issuer = self.town, self.town.ids["a"]
        kind = InstrumentKind.SECURITY
        town.on_root("a", CreateInstrument(issuer, BRIDGED, kind, None, 2, bytes(32), (issuer,)))
        for name in ON_ROOT:
            own = town.ids[name]
            town.on_root(
                name,
                OpenAccount(own, own, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, SALT),
            )
            town.on_root("a", Issue(issuer, self.instrument, self.account(name), ISSUED, b""))

    def owned(self, name: str) -> int:
        """What somebody owns on the root."""
        found = HOLDINGS.get(self.town.state, self.instrument, self.account(name))
        return 0 if found is None else found.owned

    def outstanding(self) -> int:
        """How much there is on the root."""
        found = SUPPLIES.get(self.town.state, self.instrument)
        return 0 if found is None else found.outstanding


class Side(NamedTuple):
    """What one ledger's leg moves. ``line`` is None for the root; ``edge``: of the bridged instrument, into it (or out, negative)."""

    line: Line | None
    content: LegContent
    parties: tuple[str, ...]  # who sign
    attesters: tuple[str, ...]
    edge: int
    effects: tuple[tuple[str, str, int], ...]  # instrument's label, member, change
    sealer: str
    salt: bytes


class Deal:
    """One agreement: ``terms`` and how its attempts went."""

    def __init__(self, town: Town, sides: Sequence[Side], salt: bytes, life_ms: int) -> None:
        self.town, self.sides = town, tuple(sides)
        deadline_ms = town.root.ledger.time_ms + life_ms
        instrument = instrument_id(town.ids["a"], BRIDGED)
        legs = tuple(
            LegTerms(
                ROOT if side.line is None else side.line.channel,
                leg_commitment(side.salt, side.content),
                tuple(sorted(town.ids[name] for name in side.attesters)),
                (EdgeMovement(instrument, side.edge),) if side.edge else (),
            )
            for side in self.sides
        )
        self.terms = SettlementTerms(salt, deadline_ms, legs)
        self.id = terms_id(town.network, self.terms)
        self.codes: list[str] = []  # of each order: why it was refused, or nothing
        self.sealed: tuple[SealedLeg | RootLeg, ...] = ()

    async def seal(self, terms: bytes | None = None, signed: bytes | None = None) -> bool:
        """Have all legs sealed for these terms (or others); whether they are. ``signed``: the terms that parties sign within."""
        legs = list[SealedLeg | RootLeg]()
        for side in self.sides:
            hold = self._hold(side, signed or self.id)
            if side.line is None:
                legs.append(self._root_leg(side, hold))
                continue
            site = self.town[side.sealer]
            raw = self.town.transaction(side.line.channel, hold, keys=list(side.parties))
            try:
                legs.append(
                    await site.running.dealer.deal(side.line.channel, site.member, terms or self.id, raw)
                )
            except (SubmissionRefused, Died, AssertionError):  # it does not run, cannot, or died over it
                return False
        self.sealed = tuple(legs)
        return True

    async def order(self, by: str) -> str:
        """Have the attempt ordered; why it was refused, or nothing."""
        code = await self.town.by_node_soon(by, Attempt(self.town.ids[by], self.terms, self.sealed))
        self.codes.append(code)
        return code

    async def settle(self, by: str) -> None:
        """Seal and order."""
        if await self.seal():
            await self.order(by)

    def is_committed(self, auditor: Auditor) -> bool:
        """Whether it was."""
        return any(decided.committed for decided in auditor.by_terms.get(self.id, []))

    def is_undecided(self) -> bool:
        """Whether an attempt at it waits on the root."""
        found = self.town.module.keeper.settlement(self.town.state, self.id)
        return found is not None and found.status == "undecided"

    def _hold(self, side: Side, terms: bytes) -> HoldLeg:
        parties = tuple(sorted(self.town.ids[name] for name in side.parties))
        return HoldLeg(parties, terms, side.salt, side.content)

    def _root_leg(self, side: Side, hold: HoldLeg) -> RootLeg:
        raw = encode((hold,))
        message = root_leg_message(self.town.network, self.id, raw)
        signatures = [self.town.keys[name].signature(message) for name in side.parties]
        return RootLeg(raw, tuple(sorted(signatures, key=lambda signature: signature.key)))


class Desk:
    """Makes deals of every shape."""

    def __init__(self, town: Town, square: Square) -> None:
        self.town, self.square = town, square
        self._salts = 0

    def salt(self) -> bytes:
        """A fresh salt of 32 bytes."""
        self._salts += 1
        return sha256(b"deal %d" % self._salts).digest()

    def deal(self, *sides: Side, life_ms: int = 60_000) -> Deal:
        """An agreement about these sides."""
        return Deal(self.town, sides, self.salt(), life_ms)

    def move(self, line: Line, label: str, giver: str, taker: str, amount: int) -> Side:
        """Somebody gives somebody in a channel, who must attest that it is held."""
        moved = Movement(line.instruments[label], line.account(giver), line.account(taker), amount, b"")
        effects = ((label, giver, -amount), (label, taker, amount))
        return Side(line, LegContent((moved,)), (giver,), (taker,), 0, effects, giver, self.salt())

    def leave(self, line: Line, giver: str, amount: int) -> Side:
        """Something bridged leaves a channel."""
        content = LegContent(exports=(Export(line.instruments["bridged"], line.account(giver), amount),))
        effects = (("bridged", giver, -amount),)
        return Side(line, content, (giver,), (), -amount, effects, giver, self.salt())

    def enter(self, line: Line, taker: str, amount: int) -> Side:
        """Something bridged comes into a channel."""
        content = LegContent(imports=(Import(line.instruments["bridged"], line.account(taker), amount),))
        effects = (("bridged", taker, amount),)
        return Side(line, content, (taker,), (taker,), amount, effects, taker, self.salt())

    def move_on_root(self, giver: str, taker: str, amount: int) -> Side:
        """Somebody gives somebody on the root."""
        square = self.square
        moved = Movement(square.instrument, square.account(giver), square.account(taker), amount, b"")
        effects = (("root", giver, -amount), ("root", taker, amount))
        return Side(None, LegContent((moved,)), (giver,), (), 0, effects, giver, self.salt())

    def leave_root(self, giver: str, amount: int) -> Side:
        """Something bridged leaves the root."""
        square = self.square
        content = LegContent(exports=(Export(square.instrument, square.account(giver), amount),))
        return Side(None, content, (giver,), (), -amount, (("root", giver, -amount),), giver, self.salt())

    def enter_root(self, taker: str, amount: int) -> Side:
        """Something bridged comes to the root."""
        square = self.square
        content = LegContent(imports=(Import(square.instrument, square.account(taker), amount),))
        return Side(None, content, (taker,), (), amount, (("root", taker, amount),), taker, self.salt())

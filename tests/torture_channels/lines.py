"""Channels with money in them, and the business of their members: payments, settlements within, freezes, what is refused."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from channels.seat.fuses import Died
from torture.report import Difference
from torture_channels.town import Town
from traco.channels.seat.errors import SubmissionRefused
from traco.kernel.instruction import Instruction
from traco.modules.channel.parts import Terms
from traco.modules.holding.messages import (
    AccountKind,
    Attach,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    LiftAttachment,
    OpenAccount,
    Transfer,
    account_id,
    attachment_id,
    instrument_id,
)
from traco.modules.holding.state import HOLDINGS, SUPPLIES, Holding
from traco.modules.settlement.messages import (
    Affirm,
    CreateBatch,
    IntoAccount,
    OwnHolding,
    SettlementInstruction,
    batch_id,
    terms_hash,
)

ACCOUNT: Final = b"account".ljust(16, b"\0")
BRIDGED: Final = (
    "BRIDGED"  # the instrument that root and channels hold: its name and what crosses are no secret
)
EACH: Final = 8  # times the larger amount of a line: what a member begins with
HALF_MS: Final = 90_000  # until a settlement that nobody completes expires

Effects = tuple[tuple[str, str, int], ...]
"""(instrument's label, member, what it has more)."""


class Sent(NamedTuple):
    """A transaction that a node acknowledged: who sent it, and what it does where it succeeds."""

    line: "Line"
    sender: str
    kind: str
    effects: Effects
    identity: bytes


class Line:
    """A channel, with two instruments of its own and one that it shares with the root. ``amounts`` are planted in it."""

    def __init__(self, town: Town, label: str, channel: bytes, amounts: Sequence[int]) -> None:
        self.town, self.label, self.channel, self.amounts = town, label, channel, tuple(amounts)
        self.code = f"PLANTED{label.upper()}QX"
        self.founders = tuple(town.names[member] for member in self.terms.members)
        issuer = town.ids["a"]
        self.instruments = {
            "security": instrument_id(issuer, f"{self.code}S"), "cash": instrument_id(issuer, f"{self.code}C"),
            "bridged": instrument_id(issuer, BRIDGED),
        }  # fmt: skip
        self.ever = dict.fromkeys(self.founders)  # who is or was a member
        self.frozen: list[bytes] = []
        self._salt = 0
        self._last = b""

    @property
    def terms(self) -> Terms:
        """Of the present epoch."""
        return self.town.record(self.channel).terms

    @property
    def is_open(self) -> bool:
        """Whether it takes business."""
        return self.town.record(self.channel).status == "open"

    def names(self) -> tuple[str, ...]:
        """The members now."""
        return tuple(self.town.names[member] for member in self.terms.members)

    def account(self, name: str) -> bytes:
        """A member's account in it."""
        return account_id(self.town.ids[name], ACCOUNT)

    @property
    def funds(self) -> int:
        """What each founder begins with of each instrument of its own."""
        return EACH * max(self.amounts)

    async def fill(self) -> None:
        """Every founder has an account and money."""
        ids, issuer = self.town.ids, self.town.ids["a"]
        for name in self.founders:
            opened = OpenAccount(
                ids[name], ids[name], AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, ACCOUNT
            )
            self.town.send(name, self.channel, opened)
        codes = (f"{self.code}S", f"{self.code}C", BRIDGED)
        made = [
            CreateInstrument(issuer, code, InstrumentKind.SECURITY, None, 2, bytes(32), (issuer,))
            for code in codes
        ]
        self.town.send("a", self.channel, *made)
        await self.town.settle()
        issued = [
            Issue(issuer, self.instruments[label], self.account(name), self.funds, b"")
            for label in ("security", "cash")
            for name in self.founders
        ]
        self.town.send("a", self.channel, *issued)
        await self.town.settle()

    # business

    def pay(self, sender: str, receiver: str, label: str, amount: int) -> Sent | None:
        """Somebody pays somebody."""
        message = Transfer(
            self.town.ids[sender], self.instruments[label], self.account(sender), self.account(receiver), amount, b""
        )  # fmt: skip
        effects = ((label, sender, -amount), (label, receiver, amount))
        return self.send("pay", sender, [message], effects, [sender])

    def settle(self, seller: str, buyer: str, amounts: Sequence[int]) -> Sent | None:
        """Delivery against payment, affirmed by both in one transaction."""
        legs, batch, instructions = self._batch(seller, buyer, amounts)
        terms = terms_hash(legs, (), True, instructions[0].deadline_ms)
        affirmed = [
            Affirm(self.town.ids[name], batch, terms, ((own, OwnHolding(self.account(name))),),
                   ((other, IntoAccount(self.account(name))),))
            for name, own, other in ((seller, 0, 1), (buyer, 1, 0))
        ]  # fmt: skip
        delivered, paid = amounts
        effects = (
            ("security", seller, -delivered), ("security", buyer, delivered), ("cash", buyer, -paid), ("cash", seller, paid),
        )  # fmt: skip
        return self.send("settle", seller, [*instructions, *affirmed], effects, [seller, buyer])

    def half_settle(self, seller: str, buyer: str, amounts: Sequence[int]) -> Sent | None:
        """Delivery against a payment that never comes: what is held is free again when it expires."""
        legs, batch, instructions = self._batch(seller, buyer, amounts)
        terms = terms_hash(legs, (), True, instructions[0].deadline_ms)
        own, other = ((0, OwnHolding(self.account(seller))),), ((1, IntoAccount(self.account(seller))),)
        affirmed = Affirm(self.town.ids[seller], batch, terms, own, other)
        return self.send("half settle", seller, [*instructions, affirmed], (), [seller])

    def _batch(
        self, seller: str, buyer: str, amounts: Sequence[int]
    ) -> tuple[tuple[SettlementInstruction, ...], bytes, list[CreateBatch]]:
        ids, (delivered, paid) = self.town.ids, amounts
        legs = (
            SettlementInstruction(ids[seller], ids[buyer], self.instruments["security"], delivered),
            SettlementInstruction(ids[buyer], ids[seller], self.instruments["cash"], paid),
        )
        salt, deadline_ms = self.salt(), self.town.root.ledger.time_ms + HALF_MS
        return (
            legs,
            batch_id(ids[seller], salt),
            [CreateBatch(ids[seller], legs, (), True, deadline_ms, salt)],
        )

    def freeze(self, at: str, name: str, label: str, amount: int) -> Sent | None:
        """The authority attaches a part of what a member has; it still owns it."""
        salt = self.salt()
        message = Attach(
            self.town.ids["e"], self.account(name), self.instruments[label], amount, bytes(32), salt
        )
        sent = self.send("freeze", at, [message], (), ["e"])
        if sent is not None:
            self.frozen.append(attachment_id(self.town.ids["e"], salt))
        return sent

    def thaw(self, at: str) -> Sent | None:
        """The oldest freeze ends."""
        if not self.frozen:
            return None
        return self.send("thaw", at, [LiftAttachment(self.town.ids["e"], self.frozen.pop(0))], (), ["e"])

    def salt(self) -> bytes:
        """A fresh salt of 16 bytes."""
        self._salt += 1
        return self._salt.to_bytes(16, "big")

    def send(
        self, kind: str, at: str, instructions: Sequence[Instruction], effects: Effects, keys: Sequence[str]
    ) -> Sent | None:
        """Have a node send a transaction; None where it does not take it. Where it dies over that, it is asked again."""
        town, raw = self.town, self.town.transaction(self.channel, *instructions, keys=keys)
        self._last = raw
        for _ in range(2):
            if town[at].seats is None:
                return None
            try:
                (screened,) = town[at].running.submit(self.channel, town.ids[at], [raw])
            except SubmissionRefused:
                return None
            except Died:
                town[at].restart()
                continue
            if screened.refusal is not None:
                raise Difference("screening", f"{kind} was refused: {screened.refusal}")
            return Sent(self, at, kind, effects, screened.identity)
        return None

    def send_again(self, at: str) -> None:
        """Have another member's node send what was sent last."""
        site = self.town[at]
        if site.seats is None or not self._last:
            return
        try:
            site.running.submit(self.channel, self.town.ids[at], [self._last])
        except SubmissionRefused:
            return
        except Died:
            site.restart()

    # looking

    def holding(self, at: str, label: str, name: str) -> Holding | None:
        """What a member has, as a node knows."""
        replica = self.town[at].running.hosted(self.channel).replica
        return HOLDINGS.get(replica.state, self.instruments[label], self.account(name))

    def owned(self, at: str, label: str, name: str) -> int:
        """What a member owns, as a node knows."""
        found = self.holding(at, label, name)
        return 0 if found is None else found.owned

    def outstanding(self, at: str, label: str) -> int:
        """How much there is of an instrument, as a node knows."""
        replica = self.town[at].running.hosted(self.channel).replica
        found = SUPPLIES.get(replica.state, self.instruments[label])
        return 0 if found is None else found.outstanding

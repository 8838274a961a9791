"""A module for tests of what stands around modules: instructions that put amounts at risk, refuse, or break."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from traco.kernel.codec import Amount, Count, Id, Record
from traco.kernel.errors import Rejected
from traco.kernel.instruction import Event, Instruction, PartyInstruction
from traco.kernel.module import Context, Module
from traco.kernel.state import Table


class Pay(PartyInstruction, frozen=True, tag="probe.pay/1"):
    """Puts ``amount`` of ``instrument`` at risk and counts one up for the party."""

    instrument: Id
    amount: Amount

    def amount_at_risk(self) -> tuple[bytes, int] | None:
        return (self.instrument, self.amount)


class Note(PartyInstruction, frozen=True, tag="probe.note/1"):
    """Puts nothing at risk; of another policy class."""

    policy_class: ClassVar[str] = "note"


class Both(Instruction, frozen=True, tag="probe.both/1"):
    """Acted by several parties."""

    parties: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=8)]

    def actors(self) -> tuple[bytes, ...]:
        return self.parties


class Refuse(PartyInstruction, frozen=True, tag="probe.refuse/1"):
    """Is rejected until the party has paid ``payments`` times."""

    payments: Count


class Paid(Event, frozen=True, tag="probe.paid/1"):
    """A party paid."""

    party: Id
    amount: Amount


class Payments(Record, frozen=True, tag=1):
    """How often a party paid."""

    count: Count


@dataclass(eq=False)
class ProbeRefused(Rejected):
    """What the probe says no with."""

    code: ClassVar[str] = "probe.refused"
    says: ClassVar[str] = "No."


class ProbeModule(Module):
    """The probe's instructions; ``paid`` reads what they did."""

    name = "probe"
    prefix = 0x7E

    def __init__(self) -> None:
        super().__init__()
        self.table: Table[Payments] = Table(self.prefix, 1, Payments)
        self.instructions = {Pay: self._pay, Note: self._nothing, Both: self._nothing, Refuse: self._refuse}
        self.events = (Paid,)
        self.errors = (ProbeRefused,)

    def _pay(self, context: Context, message: Pay) -> None:
        found = self.table.get(context.state, message.party)
        count = 1 if found is None else found.count + 1
        self.table.put(context.state, Payments(count), message.party)
        context.emit(Paid(message.party, message.amount))

    def _nothing(self, context: Context, message: Instruction) -> None:
        """Succeeds."""

    def _refuse(self, context: Context, message: Refuse) -> None:
        found = self.table.get(context.state, message.party)
        if (0 if found is None else found.count) < message.payments:
            raise ProbeRefused

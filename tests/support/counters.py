"""The smallest module that uses every feature of the kernel: named counters with hooks, due items and faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from support.ledger import START_MS, Key, Ledger
from traco.kernel.codec import Code, Count, Id, Record, Reference, TimeMs, encode
from traco.kernel.errors import Duplicate, Halt, InvariantBroken, Rejected
from traco.kernel.genesis import Genesis, SealTerms
from traco.kernel.instruction import Consequence, Event, Instruction, PartyInstruction
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Context, Module, Query, Requirement
from traco.kernel.registry import Registry
from traco.kernel.state import State, Table


class Add(PartyInstruction, frozen=True, tag="counter.add/1"):
    """Add to a counter."""

    name: Code
    amount: Count

    def amount_at_risk(self) -> tuple[bytes, int] | None:
        return self.name.encode().ljust(16, b"\0"), self.amount


class AddLater(PartyInstruction, frozen=True, tag="counter.add_later/1"):
    """Add one to a counter at a time."""

    name: Code
    due_ms: TimeMs
    cancelled: bool = False


class Remove(PartyInstruction, frozen=True, tag="counter.remove/1"):
    """Remove a counter."""

    name: Code


class Fail(PartyInstruction, frozen=True, tag="counter.fail/1"):
    """Fail in a chosen way, after a change that must not survive."""

    how: Code


class DropLater(PartyInstruction, frozen=True, tag="counter.drop_later/1"):
    """At a time, and before them, take back the items of ``AddLater`` for the same time and name."""

    name: Code
    due_ms: TimeMs


class Odd(PartyInstruction, frozen=True, tag="counter.odd/1"):
    """An instruction whose actors are wrong in a chosen way: "bug" or "nobody"."""

    how: Code

    def actors(self) -> tuple[bytes, ...]:
        if self.how == "bug":
            raise KeyError("planted")
        return () if self.how == "nobody" else (self.party,)


class Repeat(PartyInstruction, frozen=True, tag="counter.repeat/1"):
    """Perform the carried instructions inside this one."""

    operation: bytes


class Note(PartyInstruction, frozen=True, tag="counter.note/1"):
    """Emit events, apply a consequence."""

    events: Count
    reference: Reference


class Bump(Consequence, frozen=True, tag="counter.bump/1"):
    """Add one to a counter."""

    name: Code


class Added(Event, frozen=True, tag="counter.added/1"):
    """A counter was added to."""

    name: Code
    total: Any


class Undeclared(Event, frozen=True, tag="counter.undeclared/1"):
    """An event that the module forgot to declare."""


class Charged(Event, frozen=True, tag="counter.charged/1"):
    """Admission charged for a transaction."""

    total: Count


class Counter(Record, frozen=True, tag=1):
    """A counter's state."""

    total: Count


class CounterParameters(Record, frozen=True, tag=1):
    """``limit``: no counter above it."""

    limit: Count = 1_000_000


class TotalOf(Record, frozen=True):
    """Asks for a counter."""

    name: Code


@dataclass(eq=False)
class AboveLimit(Rejected):
    """The counter would exceed the limit."""

    code: ClassVar[str] = "counter.above_limit"
    says: ClassVar[str] = "{name} would be {total}, above {limit}."
    name: str
    total: int
    limit: int


@dataclass(eq=False)
class NotAdmitted(Rejected):
    """Admission refuses."""

    code: ClassVar[str] = "counter.not_admitted"
    says: ClassVar[str] = "Not admitted."


@dataclass(eq=False)
class Unprintable(Rejected):
    """A rejection that no receipt can carry."""

    code: ClassVar[str] = "counter.unprintable"
    number: Any


class Unmarked(Rejected):
    """A rejection whose author forgot to make it a dataclass."""

    code: ClassVar[str] = "counter.unmarked"


UNPRINTABLE: dict[str, Any] = {
    "too-big": 2**70, "float": 1.5, "set": {"a", "b"}, "surrogate": "\udc80", "none": None, "list": [1],
}  # fmt: skip


class CounterModule(Module):
    """Counters."""

    name = "counter"
    prefix = 0xE0

    def __init__(self) -> None:
        super().__init__()
        self.table: Table[Counter] = Table(0xE0, 1, Counter)
        self.instructions = {
            Add: self.add, AddLater: self.add_later, Remove: self.remove, Fail: self.fail, Repeat: self.repeat,
            Note: self.note, DropLater: self.drop_later, Odd: lambda context, message: None,
        }  # fmt: skip
        self.consequences = {Bump: lambda context, bump: self._add(context, bump.name, 1)}
        self.events = (Added, Charged)
        self.errors = (AboveLimit, NotAdmitted, Unprintable)
        self.parameters = CounterParameters()
        self.due = {
            "counter.later": lambda context, key: self._add(context, key.decode(), 1),
            "counter.drop": lambda context, key: context.unschedule(
                int.from_bytes(key[:8], "big"), "counter.later", key[8:]
            ),
        }
        self.admission = (self.admit,)
        self.invariants = (self.no_1313,)
        self.queries = {
            "counter.total": Query(TotalOf, lambda state, request: self.total(state, request.name), "")
        }

    def total(self, state: State, name: str) -> int:
        found = self.table.get(state, name.encode())
        return 0 if found is None else found.total

    def genesis(self, context: Context, section: Mapping[str, Any]) -> None:
        for name, total in section.items():
            self._add(context, name, total)

    def _add(self, context: Context, name: str, amount: int) -> None:
        total = self.total(context.state, name) + amount
        limit = context.parameters(CounterParameters).limit
        if total > limit:
            raise AboveLimit(name, total, limit)
        if name == "faulty-due":
            raise ZeroDivisionError
        self.table.put(context.state, Counter(total), name.encode())
        context.emit(Added(name, total))

    def admit(self, context: Context, instructions: Sequence[Instruction]) -> None:
        """Charge one to the counter "charged"; refuse a Fail of "admission", after the charge."""
        count = self.total(context.state, "charged") + 1
        self.table.put(context.state, Counter(count), b"charged")
        context.emit(Charged(count))
        if isinstance(instructions[0], Fail) and instructions[0].how == "admission":
            raise NotAdmitted
        if isinstance(instructions[0], Fail) and instructions[0].how == "admission-bug":
            raise KeyError("planted")

    def no_1313(self, state: State, before: Mapping[bytes, Record | None]) -> None:
        for key in before:
            record = state.current(key)
            if isinstance(record, Counter) and record.total == 1313:
                raise InvariantBroken("no_1313")

    def add(self, context: Context, message: Add) -> None:
        self._add(context, message.name, message.amount)

    def add_later(self, context: Context, message: AddLater) -> None:
        context.schedule(message.due_ms, "counter.later", message.name.encode())
        if message.cancelled:
            context.unschedule(message.due_ms, "counter.later", message.name.encode())

    def drop_later(self, context: Context, message: DropLater) -> None:
        key = message.due_ms.to_bytes(8, "big") + message.name.encode()
        context.schedule(message.due_ms, "counter.drop", key)

    def remove(self, context: Context, message: Remove) -> None:
        self.table.delete(context.state, message.name.encode())

    def fail(self, context: Context, message: Fail) -> None:
        self._add(context, "fail", 1)
        if message.how == "bug":
            raise ZeroDivisionError("planted")
        if message.how == "bad-record":
            self.table.put(context.state, Counter("x"), b"bad")  # type: ignore[arg-type]
        elif message.how == "huge-record":
            self.table.put(context.state, Counter(2**70), b"bad")
        elif message.how == "long-key":
            self.table.put(context.state, Counter(1), bytes(511))
        elif message.how == "bad-event":
            context.emit(Added("fail", 2**70))
        elif message.how == "undeclared-event":
            context.emit(Undeclared())
        elif message.how == "unknown-due":
            context.schedule(1, "nobody", b"")
        elif message.how == "bad-due":
            context.schedule(-1, "counter.later", b"")
        elif message.how == "invariant":
            self.table.put(context.state, Counter(1313), b"bad")
        else:
            self._raise(message.how)

    def _raise(self, how: str) -> None:
        if how in UNPRINTABLE:
            raise Unprintable(UNPRINTABLE[how])
        kinds: dict[str, BaseException] = {
            "unmarked": Unmarked(), "memory": MemoryError(), "halt": Halt("planted"), "recursion": RecursionError(),
            "refused": Duplicate(b"x"), "interrupt": KeyboardInterrupt(),
        }  # fmt: skip
        if how in kinds:
            raise kinds[how]
        raise AboveLimit("fail", 0, 0)

    def repeat(self, context: Context, message: Repeat) -> None:
        for instruction in context.decode_instructions(message.operation):
            context.perform(instruction)

    def note(self, context: Context, message: Note) -> None:
        for number in range(message.events):
            context.emit(Added("note", number))
        if message.reference:
            context.apply(encode(Bump(message.reference.decode())))


ALICE, BOB = Key("alice"), Key("bob")
NODE = Key("node")
MEMBER = b"member".ljust(16, b"\0")
SOLO = b"solo".ljust(16, b"\0")  # signs with ALICE alone
PAIR = b"pair".ljust(16, b"\0")  # needs ALICE and BOB
EITHER = b"either".ljust(16, b"\0")  # any one of ALICE and BOB


class FixedAuthority:
    """Three parties with fixed policies, one member, and SOLO and EITHER as council of two."""

    def requirement(self, state: State, party: Id, instruction: Instruction) -> Requirement | None:
        both = frozenset((ALICE.public, BOB.public))
        if instruction.policy_class == "approve" and party in (SOLO, PAIR, EITHER):
            return Requirement(both, 1)
        return {
            SOLO: Requirement(frozenset((ALICE.public,)), 1),
            PAIR: Requirement(both, 2),
            EITHER: Requirement(both, 1),
        }.get(party)

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        return MEMBER if key == NODE.public else None

    def council(self, state: State) -> tuple[tuple[bytes, ...], int]:
        return (SOLO, EITHER), 2


def counter_genesis(**changes: Any) -> Genesis:
    """A genesis for a ledger of counters."""
    terms = {
        "name": "counters", "purpose": "test", "time_ms": START_MS,
        "seal": SealTerms("checkpoint", Key("seal").public.hex()),
    }  # fmt: skip
    return Genesis(**{**terms, **changes})


def counter_registry() -> Registry:
    """The kernel's own module and the counters."""
    authority = FixedAuthority()
    return Registry([KernelModule(authority), CounterModule()], authority)


def counter_ledger(store: Any = None, **changes: Any) -> Ledger:
    """A founded ledger of counters."""
    return Ledger(counter_genesis(**changes), counter_registry(), MEMBER, NODE, store)

"""The interface of a module, and the context in which its handlers run.

A module declares what it adds to the ledger: instructions, queries, events, errors, parameters, due items, hooks,
consequences, invariants, genesis and migrations. It never touches another module's keys: it declares the narrow
interface it needs (a ``Protocol``) and is given an implementation where the ledger is composed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from traco.kernel.codec import Record
from traco.kernel.errors import Rejected
from traco.kernel.instruction import Consequence, Event, Instruction, KernelParameters
from traco.kernel.state import State

P = TypeVar("P", bound=Record)


class BlockContext(NamedTuple):
    """What a handler may know about the block it runs in."""

    network: bytes
    ledger: bytes
    height: int
    time_ms: int
    protocol: int


class Context(Protocol):
    """What a handler is given. One per transaction; the implementation is in ``execution``."""

    block: BlockContext
    state: State
    transaction: bytes  # id of the transaction, or of the due item
    signers: tuple[bytes, ...]  # public keys that signed; empty for due items
    depth: int

    def emit(self, event: Event) -> None:
        """Add an event to the receipt. Raises ``TooManyEvents``."""

    def events_left(self) -> int:
        """How many more events the receipt has room for."""

    def parameters(self, kind: type[P]) -> P:
        """The parameters record of that type in force now."""

    def kernel_parameters(self) -> KernelParameters:
        """The kernel's own parameters in force now."""

    def set_parameters(self, record: Record) -> None:
        """Replace a parameters record from this block on; only the kernel's own instructions do."""

    def parameters_type(self, owner: str) -> type[Record] | None:
        """The parameters type of ``kernel`` or a module, or None if there is none."""

    def perform(self, instruction: Instruction) -> None:
        """Run another instruction inside this one, already authorised by the caller. Raises ``DepthExceeded``."""

    def apply(self, consequence: bytes) -> None:
        """Run an encoded consequence with the handler that its module declares. Raises ``DepthExceeded``."""

    def admit(self, instructions: Sequence[Instruction]) -> None:
        """Ask the admission hooks about instructions that were carried inside another. Raises what they raise."""

    def decode_instructions(self, raw: bytes) -> tuple[Instruction, ...]:
        """Instructions carried as bytes inside another, at most as many as in a transaction. Raises ``OperationMalformed``."""

    def schedule(self, due_ms: int, kind: str, key: bytes) -> None:
        """Have ``kind`` (declared in a module's ``due``) run with ``key`` at the first block at or after ``due_ms``."""

    def unschedule(self, due_ms: int, kind: str, key: bytes) -> None:
        """Take back what ``schedule`` was asked; nothing happens if it ran."""


class Requirement(NamedTuple):
    """What a signing policy asks for one instruction: ``threshold`` signatures out of ``keys``."""

    keys: frozenset[bytes]
    threshold: int


class Authority(Protocol):
    """Who may sign for whom. Implemented by the party module; the kernel asks before anything is executed."""

    def requirement(self, state: State, party: bytes, instruction: Instruction) -> Requirement | None:
        """What ``party`` asks for ``instruction`` now, or None where the party is not registered."""

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The member whose active node has this key, or None."""

    def council(self, state: State) -> tuple[tuple[bytes, ...], int]:
        """The members of the council and how many of them must act together."""


class Handler(Protocol):
    """Runs one instruction (or consequence): authorise, check, change, emit. Raises ``Rejected``."""

    def __call__(self, context: Context, message: Any, /) -> None:
        """Apply ``message`` to the context's state."""


class Admission(Protocol):
    """May refuse a transaction (role, pause, quota) and charge for it; its changes survive a later rejection."""

    def __call__(self, context: Context, instructions: Sequence[Instruction], /) -> None:
        """Raise ``Rejected`` to refuse."""


class Invariant(Protocol):
    """A per-transaction invariant: what was written since ``before`` must keep it. Raises ``InvariantBroken``."""

    def __call__(self, state: State, before: Mapping[bytes, Record | None], /) -> None:
        """Check the keys in ``before`` (key: record held before the transaction)."""


class LedgerInvariant(Protocol):
    """An invariant over the whole state, for audits and simulations. Returns what is broken, in words."""

    def __call__(self, state: State, /) -> list[str]:
        """The violations found; empty when it holds."""


class Query(NamedTuple):
    """A read on committed state: a typed request and the function that answers it."""

    request: type[Record]
    answer: Callable[[State, Any], Any]
    summary: str


class Module:
    """Base of every module. Subclasses set the class variables and fill the mappings in ``__init__``."""

    name: ClassVar[str]
    prefix: ClassVar[int]  # first byte of every state key of the module; never reused
    # Before this protocol the ledger has neither the module's genesis section, parameters nor instructions (each of which
    # says so too, ``Instruction.since_protocol``). Hooks and invariants must find nothing to do in a state without its keys.
    since_protocol: ClassVar[int] = 1
    watches: ClassVar[
        tuple[int, ...]
    ] = ()  # prefixes of other keys whose change its per-transaction invariants judge

    def __init__(self) -> None:
        self.instructions: Mapping[type[Instruction], Handler] = {}
        self.consequences: Mapping[type[Consequence], Handler] = {}
        self.queries: Mapping[str, Query] = {}
        self.events: Sequence[type[Event]] = ()
        self.errors: Sequence[type[Rejected]] = ()
        self.due: Mapping[str, Callable[[Context, bytes], None]] = {}
        self.admission: Sequence[Admission] = ()
        self.invariants: Sequence[Invariant] = ()
        self.ledger_invariants: Sequence[LedgerInvariant] = ()
        self.parameters: Record | None = None  # the defaults; genesis may replace them
        self.migrations: Mapping[
            int, Callable[[Context], None]
        ] = {}  # by the protocol that brings the new form

    def found(self, context: Context, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the module's part of the genesis, given the objects of all modules.

        For a module whose object names things by their place in another's; the others override ``genesis``.
        """
        self.genesis(context, sections.get(self.name, {}))

    def genesis(self, context: Context, section: Mapping[str, Any]) -> None:
        """Write the module's part of the genesis. ``section`` is the module's object in the genesis document."""
        if section:
            raise ValueError(f"module {self.name} takes no genesis section")

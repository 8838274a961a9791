"""What can go wrong, in one tree.

    LedgerError
    ├── Rejected      a deterministic outcome: rolled back, goes into the receipt, uses the id up
    ├── Refused       answered by a code before execution: no leaf, no id used, nothing stored
    └── Halt          this node cannot go on (storage, memory, wrong app hash); never an outcome

Each rejection is a dataclass of its own: a stable ``code``, typed fields, and two sentences for people
(``says`` and ``advice``, format strings over the fields) that are rendered at the edge only.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from traco.kernel.codec import Record

FieldValue = bool | int | str | bytes


class Failure(Record, frozen=True):
    """An error as bytes: its code and its fields in the order of declaration. Part of receipts, so canonical."""

    code: str
    fields: tuple[tuple[str, Any], ...]  # values are booleans, integers, text or bytes


class LedgerError(Exception):
    """Base of all errors of the ledger."""


class _Coded(LedgerError):
    """An error with a stable code, typed fields and text for people."""

    code: ClassVar[str] = ""
    says: ClassVar[str] = ""
    advice: ClassVar[str] = ""

    def fields(self) -> tuple[tuple[str, FieldValue], ...]:
        """The fields as (name, value), in the order of declaration."""
        return tuple((field.name, getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]

    def failure(self) -> Failure:
        """The error in the form that receipts and answers carry."""
        return Failure(self.code, self.fields())

    def __str__(self) -> str:
        shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in self.fields()}
        return f"{self.code}: {self.says.format(**shown)} {self.advice.format(**shown)}".strip()


class Rejected(_Coded):
    """A transaction was ordered and executed, and the rules said no. Subclasses are dataclasses."""


class Refused(_Coded):
    """Bytes that never become a transaction of this ledger. Subclasses are dataclasses."""


class Halt(LedgerError):
    """The node must stop: what happened is not a property of the ledger's content."""


@dataclass(eq=False)
class KernelFault(Rejected):
    """A bug in a handler, or a broken invariant: rolled back, receipted, alarmed."""

    code: ClassVar[str] = "kernel.fault"
    says: ClassVar[str] = (
        "The ledger's own code failed in step {step}; nothing of this transaction was applied."
    )
    advice: ClassVar[str] = (
        "Report it to the operator with the transaction id; other transactions are unaffected."
    )
    step: int


@dataclass(eq=False)
class InvariantBroken(Rejected):
    """A per-transaction invariant does not hold. It leaves the boundary as ``kernel.fault``."""

    code: ClassVar[str] = "kernel.invariant"
    says: ClassVar[str] = "The invariant {name} does not hold."
    name: str


@dataclass(eq=False)
class TooManyEvents(Rejected):
    """A transaction may emit a limited number of events (parameter ``max_events``)."""

    code: ClassVar[str] = "kernel.too_many_events"
    says: ClassVar[str] = "The transaction emits more than {limit} events."
    advice: ClassVar[str] = "Split it."
    limit: int


@dataclass(eq=False)
class DepthExceeded(Rejected):
    """Instructions carried inside instructions, or hooks within hooks, beyond the limit."""

    code: ClassVar[str] = "kernel.depth_exceeded"
    says: ClassVar[str] = "Operations are nested deeper than {limit}."
    advice: ClassVar[str] = "Submit the inner operations by themselves."
    limit: int


@dataclass(eq=False)
class OperationMalformed(Rejected):
    """Instructions carried as bytes inside another instruction do not decode."""

    code: ClassVar[str] = "kernel.operation_malformed"
    says: ClassVar[str] = "The operation inside is not a canonical list of known instructions."
    advice: ClassVar[str] = "Encode it as in the wire format: an array of instructions."


@dataclass(eq=False)
class RecordTooLarge(Rejected):
    """A state record would exceed the limit of a value."""

    code: ClassVar[str] = "kernel.record_too_large"
    says: ClassVar[str] = "A record of {size} bytes exceeds the limit of {limit}."
    advice: ClassVar[str] = "Use fewer or shorter entries."
    size: int
    limit: int


@dataclass(eq=False)
class Malformed(Refused):
    """Not the canonical encoding of anything this ledger knows."""

    code: ClassVar[str] = "transaction.malformed"
    says: ClassVar[str] = "The bytes are not a transaction of this ledger: {reason}."
    advice: ClassVar[str] = "Build it with the SDK, or see the wire format."
    reason: str


@dataclass(eq=False)
class NonCanonical(Refused):
    """Decodes, but re-encodes to other bytes."""

    code: ClassVar[str] = "transaction.not_canonical"
    says: ClassVar[str] = "The encoding is not the canonical one."
    advice: ClassVar[str] = "Encode integers and lengths in their shortest form, without trailing bytes."


@dataclass(eq=False)
class UnknownInstruction(Refused):
    """An instruction name or version that no module of this ledger declares."""

    code: ClassVar[str] = "transaction.unknown_instruction"
    says: ClassVar[str] = "No module of this ledger knows the instruction {name}."
    advice: ClassVar[str] = "Check the name and version in the reference of instructions."
    name: str


@dataclass(eq=False)
class TooLarge(Refused):
    """Beyond a limit of size, count or depth."""

    code: ClassVar[str] = "transaction.too_large"
    says: ClassVar[str] = "{what} is {size}, the limit is {limit}."
    advice: ClassVar[str] = "Split it."
    what: str
    size: int
    limit: int


@dataclass(eq=False)
class SignatureWrong(Refused):
    """A signature does not verify over the body."""

    code: ClassVar[str] = "transaction.signature_invalid"
    says: ClassVar[str] = "Signature {index} does not verify."
    advice: ClassVar[str] = "Sign the transaction id as in the wire format, with the key that is named."
    index: int


@dataclass(eq=False)
class SignatureMissing(Refused):
    """A party's signing policy is not met."""

    code: ClassVar[str] = "transaction.signature_missing"
    says: ClassVar[str] = "Party {party} needs {threshold} signatures, {found} count."
    advice: ClassVar[str] = "Collect more signatures of this party's keys, or propose it on the ledger."
    party: bytes
    threshold: int
    found: int


@dataclass(eq=False)
class SignatureSuperfluous(Refused):
    """A signature that no acting party's policy needs."""

    code: ClassVar[str] = "transaction.signature_superfluous"
    says: ClassVar[str] = "The signature of key {key} is not needed."
    advice: ClassVar[str] = "Remove it: what is not needed must not be signed for."
    key: bytes


@dataclass(eq=False)
class SignatureOrder(Refused):
    """Signatures must be in ascending order of their keys, each key once."""

    code: ClassVar[str] = "transaction.signature_order"
    says: ClassVar[str] = "Signatures are not in strictly ascending order of keys."
    advice: ClassVar[str] = "Sort them by key bytes and remove repetitions."


@dataclass(eq=False)
class PartyUnknown(Refused):
    """An instruction names an acting party that is not registered."""

    code: ClassVar[str] = "transaction.party_unknown"
    says: ClassVar[str] = "No party {party} is registered."
    advice: ClassVar[str] = "Register the party, or check its id."
    party: bytes


@dataclass(eq=False)
class WrongNetwork(Refused):
    """Signed for another network."""

    code: ClassVar[str] = "transaction.wrong_network"
    says: ClassVar[str] = "It is signed for network {network}."
    advice: ClassVar[str] = "Take the network id from this ledger's genesis."
    network: bytes


@dataclass(eq=False)
class WrongLedger(Refused):
    """Signed for another ledger (root or channel) of the same network."""

    code: ClassVar[str] = "transaction.wrong_ledger"
    says: ClassVar[str] = "It is signed for ledger {ledger}."
    advice: ClassVar[str] = "Submit it to that ledger, or sign it for this one."
    ledger: bytes


@dataclass(eq=False)
class Expired(Refused):
    """Block time has reached ``valid_until``."""

    code: ClassVar[str] = "transaction.expired"
    says: ClassVar[str] = "It was valid until {valid_until} ms, block time is {time_ms} ms."
    advice: ClassVar[str] = "Build and sign it anew; take the time from the node."
    valid_until: int
    time_ms: int


@dataclass(eq=False)
class TooFarAhead(Refused):
    """Valid for more than one validity window ahead."""

    code: ClassVar[str] = "transaction.too_far_ahead"
    says: ClassVar[str] = (
        "It is valid until {valid_until} ms, more than {window_ms} ms after block time {time_ms} ms."
    )
    advice: ClassVar[str] = "Use a shorter validity; take the time from the node."
    valid_until: int
    time_ms: int
    window_ms: int


@dataclass(eq=False)
class Duplicate(Refused):
    """The id is used up."""

    code: ClassVar[str] = "transaction.duplicate"
    says: ClassVar[str] = "Transaction {transaction} was ordered before."
    advice: ClassVar[str] = "Ask for its receipt; use a new salt for a new transaction."
    transaction: bytes


@dataclass(eq=False)
class NodeUnknown(Refused):
    """An envelope from a node key that the named member does not have on the ledger."""

    code: ClassVar[str] = "envelope.node_unknown"
    says: ClassVar[str] = "Member {member} has no active node with key {key}."
    advice: ClassVar[str] = "Register the node's key, or correct the member."
    member: bytes
    key: bytes

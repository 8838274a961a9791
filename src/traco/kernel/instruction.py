"""What an instruction, an event and a consequence are; and the limits and parameters of the kernel itself."""

from typing import Annotated, ClassVar, Final

import msgspec

from traco.kernel.codec import Height, Id, Record

ONE_MINUTE_MS: Final = 60_000
ENVELOPE_OVERHEAD: Final = 512  # bytes of an envelope beside its transactions, generously


class Instruction(Record, frozen=True):
    """One thing a party asks for. Subclasses set ``tag="module.verb/version"``; fields are typed and bounded.

    One definition yields the codec, the REST schema, the CLI verb, the SDK method and the documentation.
    """

    policy_class: ClassVar[str] = "trade"  # the class of business that a party's signing policy speaks of
    since_protocol: ClassVar[int] = (
        1  # unknown to the ledger before: a new release must not accept it earlier
    )

    def actors(self) -> tuple[bytes, ...]:
        """The parties that act and must authorise, in the order of the fields."""
        raise NotImplementedError

    def amount_at_risk(self) -> tuple[bytes, int] | None:
        """(instrument id, amount in smallest unit) that amount bands of a policy apply to, if any."""
        return None


class PartyInstruction(Instruction, frozen=True):
    """An instruction with one acting party, named by its first field."""

    party: Id

    def actors(self) -> tuple[bytes, ...]:
        """The one party."""
        return (self.party,)


class Event(Record, frozen=True):
    """A fact that a committed transaction established. Subclasses set ``tag="module.fact/version"``."""


class Consequence(Record, frozen=True):
    """A typed effect attached to a settlement batch, run in the same overlay (``tag="module.effect/version"``)."""


Bytes = Annotated[int, msgspec.Meta(ge=1_024, le=67_108_864)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=65_536)]


class KernelParameters(Record, frozen=True, tag=1):
    """Limits of the kernel, fixed at genesis and changed only by the council. All are consensus values.

    Their bounds keep a ledger usable: no decision can stop all transactions, due items or later decisions. Limits of
    bytes and counts also hold as founded, because screening does not see the state: raising them is an upgrade.
    """

    window_ms: Annotated[int, msgspec.Meta(ge=ONE_MINUTE_MS, le=86_400_000)] = 10 * ONE_MINUTE_MS
    max_transaction_bytes: Bytes = 65_536
    max_instructions: Limit = 64
    max_signatures: Limit = 32
    max_envelope_bytes: Bytes = 1_048_576
    max_envelope_transactions: Limit = 4_096
    max_block_bytes: Bytes = 4_194_304
    max_events: Limit = 1_024
    max_depth: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4  # far below Python's own limit of recursion
    due_budget: Limit = 1_000
    history_horizon: Height = 1_000_000

    def __post_init__(self) -> None:
        """Raises ``ValueError`` where a transaction of full size fits into no envelope, or an envelope into no block."""
        if self.max_transaction_bytes + ENVELOPE_OVERHEAD > self.max_envelope_bytes:
            raise ValueError("max_envelope_bytes leaves no room for a transaction of max_transaction_bytes")
        if self.max_envelope_bytes > self.max_block_bytes:
            raise ValueError("max_block_bytes leaves no room for an envelope of max_envelope_bytes")

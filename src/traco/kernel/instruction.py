"""What an instruction, an event and a consequence are; and the limits and parameters of the kernel itself."""

from typing import Annotated, ClassVar

import msgspec

from traco.kernel.codec import Count, Height, Id, Record

ONE_MINUTE_MS = 60_000


class Instruction(Record, frozen=True):
    """One thing a party asks for. Subclasses set ``tag="module.verb/version"``; fields are typed and bounded.

    One definition yields the codec, the REST schema, the CLI verb, the SDK method and the documentation.
    """

    policy_class: ClassVar[str] = "trade"  # the class of business that a party's signing policy speaks of

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
        return (self.party,)


class Event(Record, frozen=True):
    """A fact that a committed transaction established. Subclasses set ``tag="module.fact/version"``."""


class Consequence(Record, frozen=True):
    """A typed effect attached to a settlement batch, run in the same overlay (``tag="module.effect/version"``)."""


class KernelParameters(Record, frozen=True, tag=1):
    """Limits of the kernel, fixed at genesis and changed only by the council. All are consensus values."""

    window_ms: Annotated[int, msgspec.Meta(ge=ONE_MINUTE_MS, le=86_400_000)] = 10 * ONE_MINUTE_MS
    max_transaction_bytes: Count = 65_536
    max_instructions: Count = 64
    max_signatures: Count = 32
    max_envelope_bytes: Count = 1_048_576
    max_envelope_transactions: Count = 4_096
    max_block_bytes: Count = 4_194_304
    max_events: Count = 1_024
    max_depth: Count = 4
    due_budget: Count = 1_000
    history_horizon: Height = 1_000_000

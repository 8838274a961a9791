"""What happened to legs. What they move has events of the holding module."""

from traco.kernel.codec import Hash
from traco.kernel.instruction import Event


class LegHeld(Event, frozen=True, tag="leg.held/1"):
    """Everything that the leg moves is set aside."""

    attempt: Hash
    terms: Hash


class LegDecided(Event, frozen=True, tag="leg.decided/1"):
    """The settlement was decided, and this leg with it. ``held`` is false where it never was: nothing happens then."""

    attempt: Hash
    committed: bool
    held: bool

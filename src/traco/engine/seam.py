"""What the gateway asks of an engine, whichever orders: the embedded one, which makes blocks itself, or a distributed one.

    offer -> ordered with others' envelopes -> make_block, once per block, in order

A distributed engine decides and commits blocks by itself; its ``make_block`` then hands out the next that was committed.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from traco.kernel.application import Finalized
from traco.kernel.errors import Failure
from traco.kernel.instruction import KernelParameters


class Seal(NamedTuple):
    """What makes outsiders believe the app hash after block ``height``. Empty where nothing is sealed yet."""

    seal: bytes
    height: int


class Engine(Protocol):
    """Orders envelopes. Everything happens in the event loop of the ledger process.

    ``last_block_seconds``: how long the block that ``make_block`` returned last took to execute and commit.
    """

    last_block_seconds: float

    def limits(self) -> KernelParameters:
        """The limits in force after the last block."""

    def block_time_ms(self) -> int:
        """A time that the next block will not be before, in ms UTC: what validity is counted from."""

    def offer(self, envelope: bytes) -> Failure | None:
        """Take an envelope for one of the next blocks, or say why not. Offering it twice is offering it once."""

    def has_room(self) -> bool:
        """Whether another envelope would help; until then what arrives is better kept for a larger one."""

    def wants_block(self) -> bool:
        """Whether ``make_block`` has something to do."""

    def make_block(self) -> Finalized:
        """The next block, committed. Raises ``Halt``."""

    def next_due_ms(self) -> int | None:
        """When ``wants_block`` will be true without an offer, by block time; None if ``on_work``'s callback tells."""

    def take_dropped(self) -> list[tuple[bytes, Failure]]:
        """The envelopes that were accepted and will not be ordered, with the reasons; each is returned once."""

    def on_work(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` when there may be a block or room that was not there before."""

    async def sealed(self, height: int) -> Seal:
        """The newest seal, at best of ``height`` or above; an older one where that does not come within seconds."""

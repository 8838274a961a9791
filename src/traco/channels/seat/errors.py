"""What goes wrong with a seat's work.

LedgerError
├── SubmissionRefused   a channel transaction is not taken; ``code`` says why
├── NotReady            nothing can be sealed here now
├── NotHosted           no member of this node is in the channel
├── NotRebuilt          nobody had the channel rebuilt since the start
├── Disputed            what the root has confirmed is not what executing gave here
├── KeyMissing          this node has no key of an epoch, so the channel cannot go on here
├── ExecutorAway        the process that executes the channel has ended
├── ExecutingError (executing)
│   ├── NotExecuted     a point that is asked for is not executed here, or is executed anew
│   └── SnapshotNeeded  a member joined a channel whose beginning this node does not have
└── Halt (kernel)
    └── BookStopped     the seat's own records cannot be written or read
"""

from typing import Final

from traco.channels.executing.errors import ExecutingError
from traco.kernel.errors import Halt, LedgerError


class SubmissionRefused(LedgerError):
    """A transaction for a channel is not taken. Nothing was kept."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class KeyMissing(LedgerError):
    """``channel.key_missing``: no member of this node has a copy of the key that the epoch began with."""

    code: Final = "channel.key_missing"

    def __init__(self, channel: bytes, epoch: int) -> None:
        super().__init__(
            f"{self.code}: this node has no key of epoch {epoch} of channel {channel.hex()}. It is asked for at the other members'"
            " nodes; if none of them answers, ask a member to run traco channel give."
        )
        self.channel = channel
        self.epoch = epoch


class NotReady(LedgerError):
    """``channel.not_ready``: what waits to be sent in the channel waits longer."""

    code: Final = "channel.not_ready"

    def __init__(self, channel: bytes, reason: str) -> None:
        super().__init__(f"{self.code}: nothing can be sent in channel {channel.hex()} now: {reason}.")
        self.channel = channel


class NotHosted(LedgerError):
    """``channel.not_hosted``: no member of this node is in the channel."""

    code: Final = "channel.not_hosted"

    def __init__(self, channel: bytes) -> None:
        super().__init__(
            f"{self.code}: no member of this node is in channel {channel.hex()}; ask a member's node"
        )
        self.channel = channel


class NotRebuilt(LedgerError):
    """``channel.not_rebuilt``: there is no report; a rebuild that was under way ended with the process."""

    code: Final = "channel.not_rebuilt"

    def __init__(self, channel: bytes) -> None:
        super().__init__(
            f"{self.code}: nobody had channel {channel.hex()} rebuilt since the channels' process started; begin a rebuild"
        )
        self.channel = channel


class SnapshotNeeded(ExecutingError):
    """``channel.snapshot_needed``: the stream cannot be executed from its beginning, and no snapshot is here yet."""

    def __init__(self, channel: bytes) -> None:
        super().__init__(
            "channel.snapshot_needed",
            f"a member of this node joined channel {channel.hex()} later, and has no keys of what was before. "
            "It goes on from another member's snapshot, which is asked for at their nodes.",
        )
        self.channel = channel


class NotExecuted(ExecutingError):
    """``channel.point_not_executed``: what is asked of a point is known once it is executed."""

    def __init__(self, channel: bytes, ordinal: int) -> None:
        super().__init__(
            "channel.point_not_executed",
            f"point {ordinal} of channel {channel.hex()} is not executed here now: this node catches up, or executes the channel "
            "anew. Ask again when it has.",
        )
        self.channel = channel


class Disputed(LedgerError):
    """``channel.disputed``: this node found another digest than the one that the policy attests."""

    code: Final = "channel.disputed"

    def __init__(self, channel: bytes) -> None:
        super().__init__(
            f"{self.code}: the root has confirmed another digest of channel {channel.hex()} than this node found. Have the channel "
            "rebuilt; if it stays so, compare its results with another member's."
        )
        self.channel = channel


class ExecutorAway(LedgerError):
    """``channel.executor_away``: what the process had begun is executed again."""

    code: Final = "channel.executor_away"

    def __init__(self) -> None:
        super().__init__(
            f"{self.code}: the process that executes the channel has ended. It is started again, and nothing is lost; if it ends "
            "again and again, look into node.log."
        )


class BookStopped(Halt):
    """The seat's records cannot be relied on: nothing may be acknowledged until they were opened anew."""

"""What goes wrong with a seat's work.

LedgerError
├── SubmissionRefused   a channel transaction is not taken; ``code`` says why
├── KeyMissing          this node has no key of an epoch, so the channel cannot go on here
└── Halt (kernel)
    └── BookStopped     the seat's own records cannot be written or read
"""

from typing import Final

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


class BookStopped(Halt):
    """The seat's records cannot be relied on: nothing may be acknowledged until they were opened anew."""

"""What goes wrong with a seat's work.

LedgerError
├── SubmissionRefused   a channel transaction is not taken; ``code`` says why
└── Halt (kernel)
    └── BookStopped     the seat's own records cannot be written or read
"""

from traco.kernel.errors import Halt, LedgerError


class SubmissionRefused(LedgerError):
    """A transaction for a channel is not taken. Nothing was kept."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class BookStopped(Halt):
    """The seat's records cannot be relied on: nothing may be acknowledged until they were opened anew."""

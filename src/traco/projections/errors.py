"""What can be wrong with projections.

LedgerError
└── ProjectionError         ``code`` is stable, the text says what happened and what to do
    ├── AddressInvalid      the address of the database cannot be used
    ├── DatabaseFailed      the database cannot be reached, or refuses
    ├── FormatUnknown       a newer release made the tables, or something else did
    ├── OtherLedger         the tables are of another network, or of another history than the ledger now has
    ├── PositionMoved       another process brought the tables forward or made them anew
    ├── NotSinceFounding    the ledger has no blocks to make them from: the node joined by a snapshot
    └── NotReady            the tables are too far behind the ledger for what was asked
"""

from typing import ClassVar

from traco.kernel.errors import LedgerError


class ProjectionError(LedgerError):
    """Projections cannot be used as they are."""

    code: ClassVar[str] = "projections.failed"

    def __init__(self, text: str) -> None:
        super().__init__(f"{self.code}: {text}")
        self.detail = text


class AddressInvalid(ProjectionError):
    """The address of the database cannot be used."""

    code = "projections.address_invalid"


class DatabaseFailed(ProjectionError):
    """The database cannot be reached, or refuses."""

    code = "projections.database_failed"


class FormatUnknown(ProjectionError):
    """The tables have a form that this release does not know."""

    code = "projections.format_unknown"


class OtherLedger(ProjectionError):
    """The tables were made from another ledger, or from blocks that the ledger no longer has."""

    code = "projections.other_ledger"


class PositionMoved(ProjectionError):
    """Somebody else moved the position since it was read: what was about to be written is of no use."""

    code = "projections.position_moved"


class NotSinceFounding(ProjectionError):
    """The node joined by a snapshot, and the tables need the blocks before it."""

    code = "projections.before_snapshot"


class NotReady(ProjectionError):
    """The tables are too far behind the ledger, or not made yet."""

    code = "projections.not_ready"

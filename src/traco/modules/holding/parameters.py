"""Parameters of this module, changed by the council only."""

from traco.kernel.codec import Count, Record
from traco.modules.holding.messages import InstrumentKind


class HoldingParameters(Record, frozen=True, tag=1):
    """Which kinds of instrument any active party may create, and limits.

    ``max_awaiting``: attachments of one holding that may await value; each credit to it looks at all of them.
    ``max_account_depth``: accounts in a chain of parents.
    """

    open_kinds: tuple[InstrumentKind, ...] = (InstrumentKind.SECURITY, InstrumentKind.RECEIVABLE)
    max_awaiting: Count = 16
    max_account_depth: Count = 8

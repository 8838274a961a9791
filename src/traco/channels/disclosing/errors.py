"""Why something is not disclosed, or what was disclosed cannot be audited.

LedgerError
└── DisclosingError
    ├── Undisclosable       this node cannot show that period; ``code`` says why
    └── DisclosureRefused   a file that is not a disclosure, or not one of this root; nothing is said about the channel
"""

from traco.kernel.errors import LedgerError


class DisclosingError(LedgerError):
    """Base. ``code`` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Undisclosable(DisclosingError):
    """``disclosure.period``, ``.payload_gone``, ``.before_snapshot``, ``.too_far``, ``.own_state``, ``.not_recorded``."""


class DisclosureRefused(DisclosingError):
    """``disclosure.malformed``, ``.other_network``, ``.changed``, ``.not_recorded``, ``.opening``, ``.stream``, ``.payload``,
    ``.payload_key``, ``.not_confirmed``, ``.root_too_young``, ``.root_too_old``.
    """

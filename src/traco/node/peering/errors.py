"""Why a call to another member's node failed.

LedgerError
└── PeerFailed    ``code``: peer.unknown, peer.unreachable, peer.refused, peer.busy, peer.answer, peer.closed
"""

from traco.kernel.errors import LedgerError


class PeerFailed(LedgerError):
    """The other node did not answer as it should. ``member`` is whose node it is; ``retry`` whether to try again soon."""

    def __init__(self, code: str, member: bytes, text: str, *, retry: bool) -> None:
        super().__init__(f"{code}: the node of {member.hex()} {text}")
        self.code = code
        self.member = member
        self.retry = retry

"""Why something sealed is not made, not opened, or not accepted.

LedgerError
└── SealingError
    ├── PayloadRefused   a payload cannot be sealed, or opened; ``code`` is one of ``REASONS``
    ├── CopyRefused      one's own wrapped copy does not open
    ├── CopiesWrong      copies of an offer that are not what its key makes; ``members`` are those they are for
    ├── CommitmentWrong  an offer's commitment is to another key
    └── BoxKeyUnusable   a member's X25519 key gives no secret; ``member`` is who has to replace it

What a payload is refused for is the same on every node: it becomes the outcome of its entry.
"""

from typing import Final

from traco.kernel.errors import LedgerError

REASONS: Final = {
    "payload.truncated": "it ends too early to be a payload",
    "payload.version": "it is of a version that this release does not know",
    "payload.epoch": "it names another epoch than its entry",
    "payload.wrong_key": "it was sealed under another key",
    "payload.not_authentic": "it was sealed for another channel or network, or changed since",
    "payload.padding": "its padding is not the one form that its length has",
    "payload.not_canonical": "its content is not the canonical list of transactions",
    "payload.empty": "it has no transactions",
    "payload.too_many": "it has more transactions than a batch may have",
    "payload.too_large": "it is larger than a payload may be",
}
"""Every code with its meaning."""


class SealingError(LedgerError):
    """Base of what goes wrong with sealed things. ``code`` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class PayloadRefused(SealingError):
    """A payload that is not made, or not opened; ``code`` is one of ``REASONS``."""

    def __init__(self, code: str) -> None:
        super().__init__(code, REASONS[code])


class CopyRefused(SealingError):
    """``copy.refused``: the copy is not for this member, this key, or this epoch, or was changed."""

    def __init__(self) -> None:
        super().__init__(
            "copy.refused",
            "The wrapped copy does not open with this member's key. Ask another member for it; do not accept the epoch.",
        )


class CopiesWrong(SealingError):
    """``copy.wrong``: what the offer says that some members get is not the key that this member got."""

    def __init__(self, members: tuple[bytes, ...]) -> None:
        shown = ", ".join(member.hex() for member in members)
        super().__init__(
            "copy.wrong",
            f"The offered copies for {shown} are not of the offered key. Do not accept the epoch; let it lapse.",
        )
        self.members = members


class CommitmentWrong(SealingError):
    """``copy.commitment``: the offer is committed to another key than this member got."""

    def __init__(self) -> None:
        super().__init__(
            "copy.commitment",
            "The offer is committed to another key than the one in this member's copy. Do not accept the epoch; let it lapse.",
        )


class BoxKeyUnusable(SealingError):
    """``copy.box_key``: nothing can be kept secret with this member's X25519 key."""

    def __init__(self, member: bytes) -> None:
        super().__init__(
            "copy.box_key",
            f"The X25519 key of member {member.hex()} is of small order, so no copy can be made. It must set another seat.",
        )
        self.member = member

"""Why a header, a commit or evidence is not believed.

LedgerError
└── LightInvalid    ``code`` is stable and says which rule is not met
"""

from typing import Final

from traco.kernel.errors import LedgerError

REASONS: Final = {
    "light.malformed": "these bytes are no such record",
    "light.too_large": "there is more of it than the limits allow",
    "light.chain": "the header belongs to another chain",
    "light.protocol": "the header is of another block protocol, which this release does not know",
    "light.field": "a field of the header or of the commit has a length or value that it never has",
    "light.height": "heights do not fit: commit and header differ, or the order is wrong",
    "light.header": "the header is not the one that was signed",
    "light.validators": "the validator set is not the one that the header names",
    "light.next_validators": "the next validator set is not the one that the trusted header names",
    "light.order": "the validator set is not in its order, has a validator twice, a key of no use, or too much power",
    "light.votes": "the commit has another number of votes than the set has validators",
    "light.signer": "a vote stands at the place of another validator",
    "light.duplicate": "a validator signed twice",
    "light.vote": "a vote in evidence is not for the block",
    "light.signature": "a signature is forged",
    "light.power": "validators with two thirds of the power or less signed it",
    "light.trusted_power": "too little of the trusted power signed it",
    "light.time": "its time is not after that of what is trusted",
    "light.future": "its time lies in the future",
    "light.expired": "what is trusted is too old to judge by",
    "light.handover": "a handover that does not change the validator set",
    "light.app_hash": "the header has no app hash of this ledger",
}
"""Every code with its meaning."""


class LightInvalid(LedgerError):
    """It is not believed; ``code`` is one of ``REASONS``."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code}: {REASONS[code]}")
        self.code = code


def require(holds: bool, code: str) -> None:
    """Raise ``LightInvalid`` with this code unless the condition holds."""
    if not holds:
        raise LightInvalid(code)

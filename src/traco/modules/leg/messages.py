"""The instruction of this module, and the commitment by which terms speak of a leg without showing it."""

from typing import Annotated, ClassVar, Final

import msgspec

from traco.kernel.batch_hold import Movement
from traco.kernel.codec import Hash, Id, PositiveAmount, Record, Reference, digest, encode
from traco.kernel.instruction import Instruction

COMMITMENT_TAG: Final = b"traco/leg/1"
MAX_PARTIES: Final = 64
MAX_MOVEMENTS: Final = 64


class Export(Record, frozen=True):
    """Value that leaves the ledger: from an account, to be redeemed here and issued in another."""

    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference = b""


class Import(Record, frozen=True):
    """Value that another ledger gives up: to be issued here, into an account."""

    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference = b""


class LegContent(Record, frozen=True):
    """What a leg moves within its ledger, out of it and into it, in the smallest unit. Not empty."""

    movements: Annotated[tuple[Movement, ...], msgspec.Meta(max_length=MAX_MOVEMENTS)] = ()
    exports: Annotated[tuple[Export, ...], msgspec.Meta(max_length=MAX_MOVEMENTS)] = ()
    imports: Annotated[tuple[Import, ...], msgspec.Meta(max_length=MAX_MOVEMENTS)] = ()


class HoldLeg(Instruction, frozen=True, tag="leg.hold/1"):
    """Set aside what a leg moves, until the settlement across ledgers that ``terms`` names is decided.

    ``parties``, in ascending order: all who control debits of what is moved out of accounts, all whom the receiving accounts
    need for credits, and an operator of each instrument that crosses the ledger's edge without being on its public edge.
    ``salt`` opens the commitment in the terms. A policy's bands of amounts do not apply (a leg may move several
    instruments): the rule without a band decides.

    Runs only as the one instruction of the input that names this leg of an attempt. Refused: other terms, another commitment,
    other edges than the terms declare, a missing party, and whatever refuses a transfer, an issue or a redemption.
    """

    since_protocol: ClassVar[int] = 3

    parties: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=MAX_PARTIES)]
    terms: Hash
    salt: Hash
    content: LegContent

    def actors(self) -> tuple[bytes, ...]:
        """All parties."""
        return self.parties


def leg_commitment(salt: bytes, content: LegContent) -> bytes:
    """What the terms say of a leg (32 bytes); ``salt`` (32 bytes) is shown to those who may see it."""
    return digest(COMMITMENT_TAG, salt, encode(content))

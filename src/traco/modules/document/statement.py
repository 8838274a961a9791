"""What a fingerprint service signs, as the ledger reads it: keyed fingerprints bound to a content commitment.

Not for making fingerprints: the ledger compares them and never learns the facts or the keys behind them.
"""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.codec import Hash, Ledger, PublicKey, Record, SignatureBytes, encode

STATEMENT_TAG: Final = "traco/fingerprint/1"

MAX_KEY_VERSIONS: Final = 4  # entries in one statement: the key in use and those still compared with
MAX_FINGERPRINTS: Final = 32  # of one strength under one key; a parameter sets the limit below this

Strength = Literal["exact", "strong", "weak"]
STRENGTHS: Final[tuple[Strength, ...]] = ("exact", "strong", "weak")  # the strongest first

SchemeVersion = Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)]
KeyVersion = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
FingerprintList = Annotated[tuple[Hash, ...], msgspec.Meta(max_length=MAX_FINGERPRINTS)]


class Fingerprints(Record, frozen=True):
    """The fingerprints of one document under one key of the service, 32 bytes each.

    ``scheme`` names the normal form and the rules, ``key_version`` the secret key. Under one scheme a position in
    ``strong`` or ``weak`` always stands for the same facts, so that a match says what agreed.
    """

    scheme: SchemeVersion
    key_version: KeyVersion
    exact: Hash
    strong: FingerprintList
    weak: FingerprintList

    def at(self, strength: Strength) -> tuple[bytes, ...]:
        """The fingerprints of one strength, in the order of their positions."""
        if strength == "exact":
            return (self.exact,)
        return self.strong if strength == "strong" else self.weak


Prints = Annotated[tuple[Fingerprints, ...], msgspec.Meta(min_length=1, max_length=MAX_KEY_VERSIONS)]


class FingerprintStatement(Record, frozen=True, tag=STATEMENT_TAG):
    """What is signed: the ``service`` made these fingerprints of the facts that came with this content commitment.

    ``fingerprints`` has one entry for each active key, in strictly descending order of (scheme, key version).
    """

    network: Hash
    ledger: Ledger
    service: PublicKey
    content_commitment: Hash
    fingerprints: Prints


class SignedStatement(Record, frozen=True):
    """A statement and the service's signature over ``statement_message(statement)``."""

    statement: FingerprintStatement
    signature: SignatureBytes


def statement_message(statement: FingerprintStatement) -> bytes:
    """The bytes that the service signs: the type tag, a zero byte and the canonical encoding of the statement."""
    return STATEMENT_TAG.encode() + b"\0" + encode(statement)

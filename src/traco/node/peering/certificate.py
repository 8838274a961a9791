"""The certificate of a seat: signed by itself, without an end. What makes it trusted is the ledger.

A secret has one certificate, whenever it is made: so the secret is all that has to be kept.
"""

import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from traco.kernel.crypto import P256_ORDER

SECRET_BYTES: Final = 64

# RFC 5280, 4.1.2.5: the last moment says that there is no good end; the first is before any clock that a node may have
_BEGINS: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENDS: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "traco seat")])


class SeatCertificate(NamedTuple):
    """``der`` goes on the ledger; ``pem`` holds the certificate and its private key, and stays with the node."""

    der: bytes
    pem: bytes


def make_seat_certificate() -> SeatCertificate:
    """A new key and its certificate."""
    return seat_certificate(os.urandom(SECRET_BYTES))


def seat_certificate(secret: bytes) -> SeatCertificate:
    """The key of a secret (64 bytes) and its certificate."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    # 512 bits make the remainder uniform
    key = ec.derive_private_key(int.from_bytes(secret, "big") % (P256_ORDER - 1) + 1, ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    certificate = (
        x509.CertificateBuilder().subject_name(_NAME).issuer_name(_NAME).public_key(key.public_key())
        .serial_number(1 + int.from_bytes(sha256(point).digest()[:16], "big"))
        .not_valid_before(_BEGINS).not_valid_after(_ENDS).sign(key, SHA256(), ecdsa_deterministic=True)
    )  # fmt: skip
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SeatCertificate(
        certificate.public_bytes(Encoding.DER), secret + certificate.public_bytes(Encoding.PEM)
    )

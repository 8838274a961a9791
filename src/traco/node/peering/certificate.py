"""The certificate of a seat: made once, signed by itself, without an end. What makes it trusted is the ledger."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder().subject_name(_NAME).issuer_name(_NAME).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(_BEGINS).not_valid_after(_ENDS)
        .sign(key, SHA256())
    )  # fmt: skip
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SeatCertificate(
        certificate.public_bytes(Encoding.DER), secret + certificate.public_bytes(Encoding.PEM)
    )

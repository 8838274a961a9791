"""Certificates made for a test: signed by themselves, or by an authority of the test's own."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOSTS = ("localhost", "node.example", "*.banks.example")
ADDRESSES = ("127.0.0.1", "::1")


def make_certificate(
    directory: Path, hosts: tuple[str, ...] = HOSTS, addresses: tuple[str, ...] = ADDRESSES, days: int = 1
) -> tuple[Path, Path]:
    """The files of a certificate for these names, valid for ``days`` from now, and of its key (mode 0600)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=3)).not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )  # fmt: skip
    names = [
        *map(x509.DNSName, hosts),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, SHA256())
    chain, secret = directory / "node.crt", directory / "node.key"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.touch(mode=0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, secret


def trusting(chain: Path) -> ssl.SSLContext:
    """A client's context that trusts this certificate alone."""
    return ssl.create_default_context(cafile=str(chain))


def make_authority(directory: Path) -> tuple[Path, Path, Path]:
    """The file of an authority that no system knows, and a certificate of it for ``ADDRESSES`` with its key."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Internal CA")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    base = (
        x509.CertificateBuilder().issuer_name(issuer).not_valid_before(now - day).not_valid_after(now + day)
    )
    own = (
        base.subject_name(issuer).public_key(authority.public_key()).serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(authority, SHA256())
    )  # fmt: skip
    names = [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    issued = (
        base.subject_name(subject).public_key(key.public_key()).serial_number(2)
        .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(authority, SHA256())
    )  # fmt: skip
    files = directory / "authority.crt", directory / "gateway.crt", directory / "gateway.key"
    files[0].write_bytes(own.public_bytes(Encoding.PEM))
    files[1].write_bytes(issued.public_bytes(Encoding.PEM))
    files[2].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files

"""TLS of the REST interface: the node's certificate, and whom it believes about those of others, checked before it starts."""

import ipaddress
import ssl
import stat
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from traco.node.configuration import NodeConfig
from traco.node.directory import NodeDirectoryError

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Certificate(NamedTuple):
    """The files, and the names and addresses that the certificate is for, as they stand in a Host header."""

    chain: Path
    key: Path
    names: tuple[str, ...]

    def context(self) -> ssl.SSLContext:
        """A server's context: TLS 1.2 or later. Raises ``OSError`` (``ssl.SSLError``)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(self.chain, self.key, password=_no_password)
        return context

    def ends(self) -> datetime:
        """When it ends, UTC. Raises ``OSError``, ``ValueError``."""
        return x509.load_pem_x509_certificate(self.chain.read_bytes()).not_valid_after_utc


def find_certificate(directory: Path, config: NodeConfig) -> Certificate | None:
    """The certificate of a node; None where it has none and needs none.

    Raises ``NodeDirectoryError``: ``node.tls_required`` on an address that other machines reach, ``node.tls_unusable``.
    """
    if config.tls is None:
        if config.is_loopback:
            return None
        raise NodeDirectoryError(
            "node.tls_required",
            f"the node is to listen on {config.host}, which other machines can reach; set tls.certificate and tls.key, "
            "or listen on 127.0.0.1",
        )
    chain, key = directory / config.tls.certificate, directory / config.tls.key
    try:
        if key.stat().st_mode & OTHERS:
            raise _unusable(f"{key} can be read by others; take their rights away: chmod 600 {key}")
        found = Certificate(chain, key, _names(x509.load_pem_x509_certificate(chain.read_bytes())))
        found.context()
    except (OSError, ValueError) as error:
        raise _unusable(f"{chain} and {key} are not a certificate with its key ({error})") from None
    if not found.names:
        raise _unusable(f"{chain} names no host; its subjectAltName must have the names that clients use")
    return found


def find_authorities(directory: Path, config: NodeConfig) -> Path | None:
    """The file with the authorities that vouch for other members' gateways; None: the system's do.

    Raises ``NodeDirectoryError`` (``node.tls_unusable``).
    """
    if config.engine.ca_file is None:
        return None
    path = directory / config.engine.ca_file
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one too
        raise _unusable(
            f"{path} (engine.ca_file) cannot be read as certificates of authorities ({error.strerror or error})"
        ) from None
    return path


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = found.get_values_for_type(x509.IPAddress)
    hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return tuple(hosts + [_host(str(address)) for address in addresses])


def _host(address: str) -> str:
    """An address as it stands in a Host header."""
    return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address


def _no_password() -> bytes:
    raise ValueError(
        "the key is encrypted; store it without a passphrase, readable for the node's user alone"
    )


def _unusable(text: str) -> NodeDirectoryError:
    return NodeDirectoryError("node.tls_unusable", text)

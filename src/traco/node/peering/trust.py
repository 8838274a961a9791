"""Whom the transport believes: exactly the certificates that seats have now, each for its member alone."""

import os
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from cryptography import x509


class Peer(NamedTuple):
    """Another member's node as the ledger says: where it is called, and by which certificate (DER) it is known."""

    address: str
    certificate: bytes


class Trust:
    """The contexts of this node's calls and of its server. ``renew`` with every change of a seat; calls under way go on."""

    def __init__(self, pem: bytes) -> None:
        self._pem = pem
        self._peers: dict[bytes, Peer] = {}
        self._members: dict[bytes, list[bytes]] = {}
        self._clients: dict[bytes, ssl.SSLContext] = {}
        self._serving = self._server()
        self.server = self._server()
        self.server.sni_callback = self._choose

    def renew(self, peers: Mapping[bytes, Peer]) -> None:
        """Believe these peers, by member, and no others. One whose certificate cannot be read is left out."""
        probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._peers = {
            member: peer for member, peer in peers.items() if _is_certificate(peer.certificate, probe)
        }
        self._members = {}
        for member, peer in self._peers.items():
            self._members.setdefault(peer.certificate, []).append(member)
        self._clients = {}
        self._serving = self._server()

    def address(self, member: bytes) -> str | None:
        """Where the member's node is called; None where it cannot be."""
        peer = self._peers.get(member)
        return None if peer is None or not peer.address else peer.address

    def member_of(self, certificate: bytes | None, named: bytes | None = None) -> bytes | None:
        """The member that has this certificate (DER) now, or None. ``named``: which one the caller says it is.

        A certificate is public: another member may say that it is its own too. Who has the key may then speak for either, but
        nobody keeps the first from speaking for itself.
        """
        found = [] if certificate is None else self._members.get(certificate, [])
        if named is not None:
            return named if named in found else None
        return found[0] if len(found) == 1 else None

    def client(self, member: bytes) -> ssl.SSLContext:
        """For calls to one member: no other node's certificate is taken. Raises ``KeyError``."""
        found = self._clients.get(member)
        if found is None:
            # host names mean nothing here: the certificate itself is the name
            found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            found.check_hostname = False
            self._prepare(found)
            found.load_verify_locations(cadata=self._peers[member].certificate)
            self._clients[member] = found
        return found

    def _server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_TICKET  # a resumed session would outlive a certificate that was replaced
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        self._prepare(context)
        for peer in self._peers.values():
            context.load_verify_locations(cadata=peer.certificate)
        return context

    def _prepare(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # OpenSSL takes keys from files only; this one never has a name
        descriptor = os.memfd_create("seat")
        try:
            os.write(descriptor, self._pem)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Each handshake is judged by the seats as they are then."""
        connection.context = self._serving


def _is_certificate(der: bytes, probe: ssl.SSLContext) -> bool:
    """Whether it is one certificate, and one that the transport takes: a member may have put anything on the ledger."""
    try:
        x509.load_der_x509_certificate(der)
        probe.load_verify_locations(cadata=der)
    except (ValueError, x509.InvalidVersion, ssl.SSLError):
        return False
    return True

"""The keys of the seats that a node has, in an encrypted file of their own: another process opens it.

For each member, by its id:

    <id>.node     signs receipts and attestations; registered on the ledger as a node key of the member
    <id>.box-N    the X25519 keys for copies of epoch keys: the newest, and older ones for epochs that began before
    <id>.tls      the key of the certificate with which other nodes know this one

All are ed25519 keys. The secrets of the last two kinds are derived from a signature, which is unique for ed25519.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from traco.channels.sealing.keys import BoxSecret
from traco.channels.seat.ports import SeatKeys
from traco.client.keystore import KeyStore
from traco.kernel.crypto import Scheme
from traco.node.peering.certificate import SECRET_BYTES, SeatCertificate, seat_certificate

SEATS_FILE: Final = "seats.keys"
_BOX_MESSAGE: Final = b"traco/seat-box/1"
_TLS_MESSAGE: Final = b"traco/seat-tls/1"
_ROLE: Final = "seat"


class SeatSecrets(NamedTuple):
    """What a node needs to do the channel business of a member."""

    keys: SeatKeys
    certificate: SeatCertificate


def make_seat(store: KeyStore, member: bytes, *, renew_box: bool = False) -> SeatSecrets:
    """The keys of a member's seat; those that are not there are made. ``renew_box``: with another X25519 key.

    Raises ``KeyStoreError``.
    """
    names = _names(store)
    boxes = _boxes(names, member)
    wanted = [_name(member, "node"), _name(member, "tls")]
    if renew_box or not boxes:
        wanted.append(_name(member, f"box-{len(boxes) + 1}"))
    for name in wanted:
        if name not in names:
            store.generate(name, Scheme.ED25519, (_ROLE,))
    return _seat(store, member, _boxes(_names(store), member))


def read_seats(path: Path, passphrase: str, members: Sequence[bytes]) -> dict[bytes, SeatSecrets]:
    """The keys of those of ``members`` that have any; none where there is no file. Raises ``KeyStoreError``."""
    if not path.exists():
        return {}
    with KeyStore.open(path, passphrase) as store:
        names = _names(store)
        return {
            member: _seat(store, member, _boxes(names, member))
            for member in members
            if {_name(member, "node"), _name(member, "tls"), _name(member, "box-1")} <= names
        }


def _names(store: KeyStore) -> set[str]:
    entries = store.keys()
    return {entry.name for entry in entries}


def _boxes(names: set[str], member: bytes) -> list[str]:
    """The names of a member's X25519 keys, oldest first."""
    found = list[str]()
    while (name := _name(member, f"box-{len(found) + 1}")) in names:
        found.append(name)
    return found


def _seat(store: KeyStore, member: bytes, boxes: Sequence[str]) -> SeatSecrets:
    opened = tuple(BoxSecret(_derived(store, name, _BOX_MESSAGE, 32)) for name in boxes)
    certificate = seat_certificate(_derived(store, _name(member, "tls"), _TLS_MESSAGE, SECRET_BYTES))
    return SeatSecrets(SeatKeys(store.signer(_name(member, "node")), opened), certificate)


def _derived(store: KeyStore, name: str, message: bytes, size: int) -> bytes:
    return blake2b(store.signer(name).sign(message), digest_size=size).digest()


def _name(member: bytes, key: str) -> str:
    return f"{member.hex()}.{key}"

"""The keys of seats: made once, the same whenever they are read, and none without the passphrase."""

from pathlib import Path

import pytest

from support.api import CHEAP, PASSPHRASE
from traco.client.keystore import KeyStore, KeyStoreError
from traco.kernel import crypto
from traco.node.channels.keyring import SeatSecrets, make_seat, read_seats

A, B = b"a" * 16, b"b" * 16


def made(path: Path, *members: bytes, **options: bool) -> dict[bytes, SeatSecrets]:
    opened = KeyStore.open(path, PASSPHRASE) if path.exists() else KeyStore.create(path, PASSPHRASE, CHEAP)
    with opened as store:
        return {member: make_seat(store, member, **options) for member in members}


def public(secrets: SeatSecrets) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """What the ledger is told of a seat."""
    keys = secrets.keys
    return keys.node.public_key, tuple(each.public_key for each in keys.boxes), secrets.certificate.der


def test_what_was_made_is_read_again(tmp_path: Path) -> None:
    first = made(tmp_path / "seats.keys", A, B)
    read = read_seats(tmp_path / "seats.keys", PASSPHRASE, (B, A))
    assert list(read) == [B, A]
    assert {member: public(each) for member, each in read.items()} == {
        member: public(each) for member, each in first.items()
    }
    assert read[A].certificate.pem == first[A].certificate.pem


def test_members_have_nothing_in_common(tmp_path: Path) -> None:
    first = made(tmp_path / "seats.keys", A, B)
    (node, boxes, certificate), (other, others, another) = public(first[A]), public(first[B])
    assert len({node, other, *boxes, *others, certificate, another}) == 6
    message = b"word"
    assert crypto.is_valid(node, message, first[A].keys.node.sign(message))


def test_making_them_again_changes_nothing_unless_the_box_is_renewed(tmp_path: Path) -> None:
    first = made(tmp_path / "seats.keys", A)[A]
    assert public(made(tmp_path / "seats.keys", A)[A]) == public(first)
    renewed = made(tmp_path / "seats.keys", A, renew_box=True)[A]
    assert public(renewed)[1][:1] == public(first)[1]
    assert (len(public(renewed)[1]), public(renewed)[0], public(renewed)[2]) == (
        2,
        public(first)[0],
        public(first)[2],
    )


def test_a_member_without_keys_is_left_out(tmp_path: Path) -> None:
    assert read_seats(tmp_path / "seats.keys", PASSPHRASE, (A,)) == {}
    made(tmp_path / "seats.keys", A)
    assert list(read_seats(tmp_path / "seats.keys", PASSPHRASE, (A, B))) == [A]


def test_another_passphrase_opens_nothing(tmp_path: Path) -> None:
    made(tmp_path / "seats.keys", A)
    with pytest.raises(KeyStoreError, match="Not the passphrase"):
        read_seats(tmp_path / "seats.keys", "other words", (A,))

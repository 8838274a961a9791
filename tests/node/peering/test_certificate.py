"""The certificate of a seat follows from its secret, in every release: it stands on the ledger."""

from hashlib import sha256

import pytest

from traco.node.peering.certificate import make_seat_certificate, seat_certificate


def test_a_secret_has_one_certificate() -> None:
    secret = bytes(range(64))
    assert seat_certificate(secret) == seat_certificate(secret)
    assert (
        sha256(seat_certificate(secret).der).hexdigest()
        == "79bd16773cb548e04a9b033f38c0faa1b9bf540fdcd44cc061ecdd426c987809"
    )


def test_another_secret_has_another_certificate() -> None:
    assert make_seat_certificate().der != make_seat_certificate().der


def test_a_secret_of_another_length_is_none() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        seat_certificate(bytes(32))

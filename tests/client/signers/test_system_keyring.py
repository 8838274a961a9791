"""Keys in the operating system's keyring, with a keyring of this test in its place."""

import keyring
import pytest
from keyring.backends import fail

from support.keyrings import Fake, Plain
from traco.client.signers.errors import SignerError
from traco.client.signers.system_keyring import create_key, delete_key, keyring_signer
from traco.kernel.crypto import Scheme, verify


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_key_is_made_kept_and_signs(kept: Fake, scheme: Scheme) -> None:
    made = create_key("bank-a/main", scheme)
    signer = keyring_signer("bank-a/main")
    assert signer.public_key == made.public_key
    assert signer.public_key[0] == scheme
    verify(signer.public_key, b"message", signer.sign(b"message"))
    assert list(kept.kept) == [("traco", "bank-a/main")]


def test_a_key_is_not_overwritten(kept: Fake) -> None:
    create_key("main")
    stored = dict(kept.kept)
    with pytest.raises(SignerError, match=r"signer\.key_exists"):
        create_key("main")
    assert kept.kept == stored


def test_an_unknown_key_is_named(kept: Fake) -> None:
    with pytest.raises(SignerError, match=r"signer\.key_unknown"):
        keyring_signer("main")


def test_a_deleted_key_is_gone(kept: Fake) -> None:
    create_key("main")
    delete_key("main")
    assert kept.kept == {}


@pytest.mark.parametrize("stored", ["", "x", "traco-seed/1 ed25519 00", "traco-seed/1 rsa " + "00" * 32])
def test_what_is_no_key_is_not_used_and_not_shown(kept: Fake, stored: str) -> None:
    kept.kept["traco", "main"] = stored
    with pytest.raises(SignerError, match=r"signer\.key_damaged") as caught:
        keyring_signer("main")
    assert not stored or stored not in caught.value.detail


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 200, "a\n"])
def test_a_name_that_cannot_be_one_is_refused(kept: Fake, name: str) -> None:
    with pytest.raises(SignerError, match=r"signer\.name_unusable"):
        create_key(name)


def test_a_locked_keyring_is_said_without_its_own_words(kept: Fake) -> None:
    kept.is_locked = True
    for act in (create_key, keyring_signer, delete_key):
        with pytest.raises(SignerError, match=r"signer\.keyring_failed") as caught:
            act("main")
        assert "secret" not in str(caught.value)


def test_a_keyring_that_protects_nothing_is_refused(kept: Fake) -> None:
    keyring.set_keyring(Plain())
    with pytest.raises(SignerError, match=r"signer\.keyring_unavailable"):
        create_key("main")


def test_without_a_keyring_it_is_said_what_to_do(kept: Fake) -> None:
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(SignerError, match="traco key create"):
        keyring_signer("main")

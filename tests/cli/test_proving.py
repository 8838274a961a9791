from traco.cli.proving import access_of, proving_key
from traco.client.keystore import KeyEntry
from traco.client.signer import Ed25519Signer, Signer
from traco.kernel.crypto import Scheme

SIGNER = Ed25519Signer.from_seed(bytes(32))


def entry(name: str, *roles: str) -> KeyEntry:
    return KeyEntry(name, Scheme.ED25519, roles, SIGNER.public_key)


def test_a_key_store_is_opened_when_the_first_signature_is_needed_and_once() -> None:
    opened: list[str] = []

    def open_signer() -> Signer:
        opened.append("opened")
        return SIGNER

    access = access_of(b"p" * 16, open_signer)
    assert (opened, access.on_demand) == ([], True)
    assert access.signer.sign(b"message") == SIGNER.sign(b"message")
    assert access.signer.public_key == SIGNER.public_key
    assert opened == ["opened"]


def test_who_asks_is_proven_by_a_key_that_may_submit_unless_another_is_wanted() -> None:
    entries = (entry("auditing", "read"), entry("main", "administer", "sign"), entry("second", "sign"))
    assert proving_key(entries, ()) == "main"
    assert proving_key(entries, ("second", "main")) == "second"
    assert proving_key(entries[:1], ()) is None

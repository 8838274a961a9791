"""The key store: keys come back, changes are whole, errors have stable codes, secrets are not shown."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import traco
from traco.client.keystore import Cost, KeyEntry, KeyStore, KeyStoreError
from traco.client.signer import Ed25519Signer, signer_from_seed
from traco.kernel.crypto import Scheme, verify

COST = Cost(memory_kib=8, passes=1, lanes=1)
SEED = b"\x05" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seller.keys"


@pytest.fixture
def store(path: Path) -> KeyStore:
    return KeyStore.create(path, "passphrase", COST)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(KeyStoreError) as caught:
        call()
    return caught.value.code


def names(store: KeyStore) -> list[str]:
    return [entry.name for entry in store.keys()]  # noqa: SIM118 (not a mapping)


def test_a_new_store_has_no_keys(store: KeyStore) -> None:
    assert store.keys() == ()


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_generated_key_signs_after_reopening(store: KeyStore, path: Path, scheme: Scheme) -> None:
    entry = store.generate("treasury", scheme)
    signature = KeyStore.open(path, "passphrase").signer("treasury").sign(b"message")
    verify(entry.public_key, b"message", signature)


def test_two_generated_keys_differ(store: KeyStore) -> None:
    assert (store.generate("a").public_key == store.generate("b").public_key) is False


def test_each_name_signs_with_its_own_key(store: KeyStore) -> None:
    entries = [store.generate("b"), store.generate("a", Scheme.P256), store.generate("c")]
    expected = [entry.public_key for entry in entries]
    assert [store.signer(entry.name).public_key for entry in entries] == expected


def test_keys_are_listed_by_name_with_sorted_roles(store: KeyStore, path: Path) -> None:
    store.add("b", Scheme.P256, SEED, ["sign", "administer", "sign"])
    store.add("a", Scheme.ED25519, SEED, ())
    expected = (
        KeyEntry("a", Scheme.ED25519, (), signer_from_seed(Scheme.ED25519, SEED).public_key),
        KeyEntry("b", Scheme.P256, ("administer", "sign"), signer_from_seed(Scheme.P256, SEED).public_key),
    )
    assert (store.keys(), KeyStore.open(path, "passphrase").keys()) == (expected, expected)


def test_a_removed_key_is_gone_from_the_file(store: KeyStore, path: Path) -> None:
    store.generate("a")
    store.generate("b")
    store.remove("a")
    assert (names(store), names(KeyStore.open(path, "passphrase"))) == (["b"], ["b"])


def test_a_renamed_key_is_the_same_key(store: KeyStore, path: Path) -> None:
    before = store.generate("old", Scheme.P256, ["read"])
    store.rename("old", "new")
    assert KeyStore.open(path, "passphrase").keys() == (
        KeyEntry("new", Scheme.P256, ("read",), before.public_key),
    )


def test_after_a_change_of_passphrase_only_the_new_one_opens(store: KeyStore, path: Path) -> None:
    store.generate("a")
    store.change_passphrase("other")
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.wrong_passphrase"
    assert names(KeyStore.open(path, "other")) == ["a"]


def test_a_change_of_passphrase_keeps_the_cost_unless_told(store: KeyStore, path: Path) -> None:
    store.change_passphrase("other")
    kept = json.loads(path.read_bytes())["argon2id"]["cost"]
    store.change_passphrase("other", Cost(16, 2, 1))
    raised = json.loads(path.read_bytes())["argon2id"]["cost"]
    assert (kept, raised) == (
        {"memory_kib": 8, "passes": 1, "lanes": 1},
        {"memory_kib": 16, "passes": 2, "lanes": 1},
    )


def test_changes_go_on_under_the_new_passphrase(store: KeyStore, path: Path) -> None:
    store.change_passphrase("other")
    store.generate("a")
    assert names(KeyStore.open(path, "other")) == ["a"]


def test_every_write_has_a_new_nonce_and_every_passphrase_a_new_salt(store: KeyStore, path: Path) -> None:
    files = [json.loads(path.read_bytes())]
    store.generate("a")
    files.append(json.loads(path.read_bytes()))
    store.change_passphrase("passphrase")
    files.append(json.loads(path.read_bytes()))
    salts = {file["argon2id"]["salt"] for file in files}
    assert (len({file["nonce"] for file in files}), len(salts)) == (3, 2)


def test_public_keys_are_exported_without_secrets(store: KeyStore) -> None:
    entry = store.add("a", Scheme.ED25519, SEED)
    assert json.loads(store.export_public()) == [
        {"name": "a", "scheme": "ed25519", "roles": ["sign"], "public_key": entry.public_key.hex()}
    ]


def test_the_default_cost_is_the_production_one(path: Path) -> None:
    KeyStore.create(path, "passphrase")
    assert json.loads(path.read_bytes())["argon2id"]["cost"] == {"memory_kib": 65536, "passes": 3, "lanes": 4}


# --- refusals ---


def test_create_never_overwrites(store: KeyStore, path: Path) -> None:
    before = path.read_bytes()
    assert code_of(lambda: KeyStore.create(path, "x", COST)) == "keystore.exists"
    assert path.read_bytes() == before


def test_create_does_not_overwrite_what_appears_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyStore.create(path, "passphrase", COST)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert code_of(lambda: KeyStore.create(path, "x", COST)) == "keystore.exists"


def test_opening_nothing_is_not_found(path: Path) -> None:
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.not_found"


def test_a_wrong_passphrase_is_refused(store: KeyStore, path: Path) -> None:
    assert code_of(lambda: KeyStore.open(path, "Passphrase")) == "keystore.wrong_passphrase"


def test_a_file_that_others_may_read_is_refused(store: KeyStore, path: Path) -> None:
    path.chmod(0o640)
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.insecure_permissions"
    assert code_of(lambda: store.generate("a")) == "keystore.insecure_permissions"


def test_a_file_beyond_any_key_store_is_damaged(store: KeyStore, path: Path) -> None:
    path.write_bytes(b" " * (256 * 1024 + 1))
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.damaged"


def test_a_damaged_file_is_refused(store: KeyStore, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.damaged"


def test_what_cannot_be_read_or_written_is_unavailable(path: Path) -> None:
    path.mkdir()
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.unavailable"
    assert code_of(lambda: KeyStore.create(path / "no" / "folder", "x", COST)) == "keystore.unavailable"


def test_hostile_parameters_are_refused_at_creation(path: Path) -> None:
    assert code_of(lambda: KeyStore.create(path, "x", Cost(2**30, 3, 1))) == "keystore.parameters_refused"
    assert path.exists() is False


def test_an_empty_passphrase_is_refused(store: KeyStore, path: Path) -> None:
    assert code_of(lambda: KeyStore.create(path.with_name("b"), "", COST)) == "keystore.passphrase_unusable"
    assert code_of(lambda: store.change_passphrase("")) == "keystore.passphrase_unusable"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "../a", "a/b", "ü", "a\n", "a" * 65])
def test_an_unusable_name_is_refused(store: KeyStore, name: str) -> None:
    store.generate("a")
    assert code_of(lambda: store.generate(name)) == "keystore.name_unusable"
    assert code_of(lambda: store.generate("b", roles=[name])) == "keystore.name_unusable"
    assert code_of(lambda: store.rename("a", name)) == "keystore.name_unusable"


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "a" * 64])
def test_a_usable_name_is_accepted(store: KeyStore, name: str) -> None:
    assert store.generate(name, roles=[name]).name == name


def test_names_are_unique(store: KeyStore) -> None:
    store.generate("a")
    store.generate("b")
    assert code_of(lambda: store.generate("a")) == "keystore.key_exists"
    assert code_of(lambda: store.rename("a", "b")) == "keystore.key_exists"
    assert code_of(lambda: store.rename("a", "a")) == "keystore.key_exists"


def test_an_unknown_key_is_named_as_such(store: KeyStore) -> None:
    assert code_of(lambda: store.signer("a")) == "keystore.key_unknown"
    assert code_of(lambda: store.remove("a")) == "keystore.key_unknown"
    assert code_of(lambda: store.rename("a", "b")) == "keystore.key_unknown"


@pytest.mark.parametrize("size", [31, 33])
@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_seed_of_another_length_is_refused(store: KeyStore, scheme: Scheme, size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        store.add("a", scheme, bytes(size))
    assert store.keys() == ()


def test_a_store_never_grows_beyond_what_can_be_opened(store: KeyStore, path: Path) -> None:
    roles = [f"role-{index:059}" for index in range(4000)]
    assert code_of(lambda: store.generate("a", roles=roles)) == "keystore.full"
    assert (names(store), names(KeyStore.open(path, "passphrase"))) == ([], [])


# --- changes are whole ---


def test_a_change_on_top_of_another_process_is_refused(store: KeyStore, path: Path) -> None:
    KeyStore.open(path, "passphrase").generate("theirs")
    assert code_of(lambda: store.generate("ours")) == "keystore.changed"
    assert (names(store), names(KeyStore.open(path, "passphrase"))) == ([], ["theirs"])


def test_a_change_that_cannot_be_written_has_not_happened(
    store: KeyStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store.generate("a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert code_of(lambda: store.generate("b")) == "keystore.unavailable"
        assert code_of(lambda: store.change_passphrase("other")) == "keystore.unavailable"
    store.generate("c")
    assert (names(store), names(KeyStore.open(path, "passphrase"))) == (["a", "c"], ["a", "c"])


def test_a_crash_before_the_rename_leaves_the_old_store(store: KeyStore, path: Path) -> None:
    script = (
        "import os, sys; from traco.client.keystore import KeyStore\n"
        "store = KeyStore.open(sys.argv[1], 'passphrase')\n"
        "os.replace = lambda *arguments: os._exit(9)\n"
        "store.remove('a')\n"
    )
    store.generate("a")
    environment = {**os.environ, "PYTHONPATH": str(Path(traco.__file__).parents[1])}
    crashed = subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=False)
    assert (crashed.returncode, names(KeyStore.open(path, "passphrase"))) == (9, ["a"])


def test_a_change_through_a_link_replaces_the_file_behind_it(store: KeyStore, path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    KeyStore.open(link, "passphrase").generate("a")
    assert (link.is_symlink(), names(KeyStore.open(path, "passphrase"))) == (True, ["a"])


def test_a_loop_of_links_is_unavailable(path: Path) -> None:
    path.symlink_to(path)
    assert code_of(lambda: KeyStore.open(path, "passphrase")) == "keystore.unavailable"


# --- secrets ---


def test_a_closed_store_gives_nothing(path: Path) -> None:
    with KeyStore.create(path, "passphrase", COST) as store:
        store.generate("a")
    calls: list[Callable[[], object]] = [
        store.keys,
        lambda: store.signer("a"),
        lambda: store.generate("b"),
        lambda: store.remove("a"),
        lambda: store.change_passphrase("x"),
        store.export_public,
    ]
    assert [code_of(call) for call in calls] == ["keystore.closed"] * 6


def test_a_signer_outlives_the_store(store: KeyStore) -> None:
    store.add("a", Scheme.ED25519, SEED)
    signer = store.signer("a")
    store.close()
    store.close()
    assert signer.sign(b"message") == Ed25519Signer(SEED).sign(b"message")


def test_its_representation_shows_the_path_only(store: KeyStore, path: Path) -> None:
    store.generate("a")
    assert repr(store) == f"KeyStore({str(path)!r})"


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_copied(store: KeyStore, send: object) -> None:
    assert callable(send)
    with pytest.raises(TypeError, match="secrets"):
        send(store)


def test_no_error_shows_the_passphrase(store: KeyStore, path: Path) -> None:
    with pytest.raises(KeyStoreError) as caught:
        KeyStore.open(path, "a wrong passphrase")
    assert ("a wrong passphrase" in str(caught.value)) is False

"""What a client keeps of what it verified: privately, and never less than what it had."""

from pathlib import Path

import pytest

from support.light_chain import REAL
from support.light_gateways import CHAIN, NETWORK, SignedChain
from traco.client.results import ClientError
from traco.client.trust import Fork, TrustedBlock, TrustStore
from traco.kernel.codec import encode

BLOCK, LATER = SignedChain().block(5), SignedChain().block(9)


def code_of(folder: Path) -> str:
    with pytest.raises(ClientError) as found:
        TrustStore(folder, NETWORK).read()
    return found.value.code


def path_in(folder: Path) -> Path:
    return folder / f"{NETWORK.hex()}.trust"


def put(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = path_in(folder)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    TrustStore(tmp_path / "new", NETWORK).write(BLOCK)
    assert TrustStore(tmp_path / "new", NETWORK).read() == BLOCK


def test_nothing_is_kept_without_a_folder() -> None:
    store = TrustStore(None, NETWORK)
    store.write(BLOCK)
    assert store.read() is None


def test_there_is_nothing_at_first(tmp_path: Path) -> None:
    assert TrustStore(tmp_path, NETWORK).read() is None


def test_a_later_block_takes_its_place(tmp_path: Path) -> None:
    store = TrustStore(tmp_path, NETWORK)
    store.write(BLOCK)
    store.write(LATER)
    assert store.read() == LATER


def test_what_another_program_kept_meanwhile_stays(tmp_path: Path) -> None:
    mine, other = TrustStore(tmp_path, NETWORK), TrustStore(tmp_path, NETWORK)
    mine.write(BLOCK)
    other.read()
    other.write(LATER)
    mine.write(BLOCK)
    assert TrustStore(tmp_path, NETWORK).read() == LATER


def test_a_file_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    put(tmp_path, encode(TrustedBlock(NETWORK, BLOCK)), 0o644)
    assert code_of(tmp_path) == "trust.unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        encode(TrustedBlock(bytes(32), BLOCK)),
        encode(TrustedBlock(NETWORK, REAL[min(REAL)])),
    ],
    ids=["empty", "nonsense", "other network", "other chain"],
)
def test_a_file_with_something_else_is_not_used(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, content)
    assert code_of(tmp_path) == "trust.unreadable"


def test_a_block_that_its_validators_did_not_sign_is_not_used(tmp_path: Path) -> None:
    strangers = SignedChain(((1, {"eve": 10, "fay": 10}),), chain=CHAIN).block(5)
    forged = type(BLOCK)(strangers.signed, BLOCK.validators, BLOCK.next_validators)
    put(tmp_path, encode(TrustedBlock(NETWORK, forged)))
    assert code_of(tmp_path) == "trust.unreadable"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(ClientError) as found:
        TrustStore(blocked, NETWORK).write(BLOCK)
    assert found.value.code == "trust.unwritable"


def test_the_evidence_of_a_fork_is_kept_once(tmp_path: Path) -> None:
    store = TrustStore(tmp_path, NETWORK)
    fork = Fork(NETWORK, BLOCK, LATER, "a", "b")
    assert store.keep_fork(fork) == store.keep_fork(fork)
    assert len(list(tmp_path.glob("fork-*.proof"))) == 1


def test_a_fork_is_told_even_where_it_cannot_be_kept(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    evidence, file = TrustStore(blocked, NETWORK).keep_fork(Fork(NETWORK, BLOCK, LATER, "a", "b"))
    assert (bool(evidence), file) == (True, "")

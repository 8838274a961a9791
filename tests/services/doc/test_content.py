"""The salted commitment to a file."""

import hashlib

import pytest

from traco.services.doc import ContentMismatch, check_content, commit_content

SALT = bytes(range(32))


def test_a_commitment_is_the_tagged_hash_of_salt_and_file() -> None:
    expected = hashlib.sha256(b"traco/content/1\x00" + SALT + b"file").digest()
    assert commit_content(b"file", SALT) == expected


def test_a_commitment_has_its_recorded_value() -> None:
    assert (
        commit_content(b"", SALT).hex() == "fc003ebb734965e5990dd8d3530489d6bcfa7dc0c5403fe60e920d0a629d2a5a"
    )


def test_the_file_and_salt_committed_to_pass() -> None:
    check_content(commit_content(b"file", SALT), b"file", SALT)


@pytest.mark.parametrize(("content", "salt"), [(b"filf", SALT), (b"file ", SALT), (b"file", SALT[::-1])])
def test_another_file_or_salt_is_refused(content: bytes, salt: bytes) -> None:
    with pytest.raises(ContentMismatch) as caught:
        check_content(commit_content(b"file", SALT), content, salt)
    assert caught.value.code == "content.mismatch"


def test_a_commitment_of_another_length_is_refused() -> None:
    with pytest.raises(ContentMismatch):
        check_content(commit_content(b"file", SALT)[:31], b"file", SALT)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError):
        commit_content(b"file", bytes(length))

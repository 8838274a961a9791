"""Documents that founders exchange have one meaning, whoever reads them."""

import msgspec
import pytest

from traco.node.founding.documents import (
    MAX_DOCUMENT_BYTES,
    FoundingInvalid,
    read_document,
    require_unique_keys,
    write_document,
)


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    number: int = 0


def read(raw: bytes) -> Note:
    return read_document(raw, Note, "note.wrong", "the note")


def test_what_was_written_is_read() -> None:
    assert read(write_document(Note("é", 7))) == Note("é", 7)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b'{"number": 1}', b'{"text": "a", "more": 1}', b'{"text": "\xff"}', b'{"text": NaN}',
        b"[" * 100_000, b'{"text": "a", "text": "a"}', b'{"text": "a", "number": {"a": 1, "a": 2}}',
    ],
)  # fmt: skip
def test_what_is_no_such_document_is_refused_with_a_code(raw: bytes) -> None:
    with pytest.raises(FoundingInvalid) as caught:
        read(raw)
    assert caught.value.code == "note.wrong"


def test_a_repeated_key_is_named() -> None:
    with pytest.raises(ValueError) as caught:
        require_unique_keys(b'{"a": [{"member": 1, "member": 2}]}')
    assert "'member' twice" in str(caught.value)


def test_a_document_beyond_the_limit_is_not_read() -> None:
    with pytest.raises(FoundingInvalid):
        read(b'{"text": "' + b"x" * MAX_DOCUMENT_BYTES + b'"}')


def test_a_repeated_key_among_very_many_is_found_at_once() -> None:
    many = b"{" + b"".join(b'"%d":0,' % number for number in range(60_000)) + b'"59999":1}'
    with pytest.raises(FoundingInvalid, match="'59999' twice"):
        read(many)

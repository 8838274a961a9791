from pathlib import Path

import pytest

from traco.cli.names import AddressBook, Entry, as_id
from traco.cli.problems import CommandProblem

NETWORK = b"n" * 32
ID = "ab" * 16


def opened(home: Path) -> AddressBook:
    return AddressBook.open(home)


def test_a_name_is_found_again_with_and_without_its_sign(tmp_path: Path) -> None:
    opened(tmp_path).add("@bank", Entry("party", ID), NETWORK, "http://node")
    book = opened(tmp_path)
    assert book.find("bank") == book.find("@bank") == Entry("party", ID)
    assert (book.network, book.url, book.name_of(ID)) == (NETWORK, "http://node", "@bank")


def test_an_empty_home_has_no_names_and_no_network(tmp_path: Path) -> None:
    book = opened(tmp_path / "none")
    assert (book.entries(), book.network, book.url, book.name_of(ID)) == ([], None, "", None)


def test_the_file_is_private(tmp_path: Path) -> None:
    opened(tmp_path).add("bank", Entry("party", ID), NETWORK)
    assert (tmp_path / "addresses.json").stat().st_mode & 0o777 == 0o600


def test_the_same_entry_again_changes_nothing(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    book.add("bank", Entry("party", ID), NETWORK)
    assert len(book.entries()) == 1


@pytest.mark.parametrize("entry", [Entry("party", "cd" * 16), Entry("account", ID)])
def test_a_taken_name_is_refused(tmp_path: Path, entry: Entry) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    with pytest.raises(CommandProblem, match=r"name\.taken"):
        book.add("bank", entry, NETWORK)


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    with pytest.raises(CommandProblem, match=r"name\.other_kind"):
        book.require("bank", "account")


def test_a_forgotten_name_is_gone(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    book.remove("@bank")
    assert opened(tmp_path).find("bank") is None


def test_names_of_another_network_are_refused(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    with pytest.raises(CommandProblem, match=r"home\.other_network"):
        book.add("other", Entry("party", "cd" * 16), b"o" * 32)


def test_two_writers_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    first.add("bank", Entry("party", ID), NETWORK)
    with pytest.raises(CommandProblem, match=r"home\.changed"):
        second.add("other", Entry("party", "cd" * 16), NETWORK)


@pytest.mark.parametrize("content", [b"", b"{}x", b'{"format": "other"}', b"\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "addresses.json"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(CommandProblem, match=r"home\.damaged"):
        opened(tmp_path)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).add("bank", Entry("party", ID), NETWORK)
    (tmp_path / "addresses.json").chmod(0o644)
    with pytest.raises(CommandProblem, match=r"home\.insecure"):
        opened(tmp_path)


def test_a_key_store_is_that_of_the_entry_or_that_of_the_name(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("operator", Entry("party", ID, "elsewhere/node.keys"), NETWORK)
    assert book.key_store("operator") == tmp_path / "elsewhere" / "node.keys"
    assert book.key_store("@bank") == tmp_path / "keys" / "bank.keys"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("AB" * 16, bytes.fromhex(ID)), (ID, bytes.fromhex(ID)), ("ab" * 15, None), ("x" * 32, None)],
)
def test_an_id_is_hex_of_the_right_length(text: str, expected: bytes | None) -> None:
    assert as_id(text, 16) == expected


def test_kinds_get_the_article_that_they_are_spoken_with(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.add("bank", Entry("party", ID), NETWORK)
    with pytest.raises(CommandProblem, match="names a party; an account is needed"):
        book.require("bank", "account")

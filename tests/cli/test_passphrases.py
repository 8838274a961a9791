import getpass
import sys
from collections.abc import Iterator

import pytest

from traco.cli.passphrases import Passphrases
from traco.cli.problems import CommandProblem


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a person types at the prompts, in order; each prompt takes one."""
    entries: list[str] = []
    monkeypatch.delenv("TRACO_PASSPHRASE", raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt, _stream: entries.pop(0))
    yield entries
    assert entries == []


def test_a_passphrase_is_asked_for_once_for_each_key_store(typed: list[str]) -> None:
    typed += ["one", "two"]
    passphrases = Passphrases()
    assert [passphrases.existing(store) for store in ("a.keys", "b.keys", "a.keys")] == ["one", "two", "one"]


def test_a_new_passphrase_is_asked_for_twice(typed: list[str]) -> None:
    typed += ["one", "one"]
    passphrases = Passphrases()
    assert passphrases.new("a.keys") == "one"
    assert passphrases.existing("a.keys") == "one"


def test_two_different_entries_are_refused(typed: list[str]) -> None:
    typed += ["one", "two"]
    with pytest.raises(CommandProblem, match=r"passphrase\.differs"):
        Passphrases().new("a.keys")


def test_a_passphrase_is_never_shown(typed: list[str]) -> None:
    typed += ["one"]
    passphrases = Passphrases()
    passphrases.existing("a.keys")
    assert repr(passphrases) == "Passphrases()"

"""Channels by the command line: a node's directory, and a home with the names and keys of its three members."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.channel_town import MEMBERS, member_of
from support.command_line import PASSPHRASE, CommandLine, Printed
from support.ledger import Key
from support.live_node import CHEAP, free_port
from support.town import salt
from traco.cli.main import run
from traco.client.forms import to_form
from traco.client.keystore import KeyStore
from traco.kernel.crypto import Scheme
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import AccountKind, CreditControl, DebitControl, OpenAccount, account_id


class ChannelPlace:
    """Where a node of three members is, or is to be, and their home."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.directory = folder, folder / "home", folder / "node"
        self.ids = {name: member_of(name) for name in MEMBERS}
        self.port = free_port()

    def account(self, name: str) -> bytes:
        """A member's account in any channel."""
        return account_id(self.ids[name], salt(name))

    def opening(self, name: str) -> OpenAccount:
        """The instruction that opens it."""
        party = self.ids[name]
        return OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
        )

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """The members' keys are in their home, and commands are for this node."""
        (self.home / "keys").mkdir(parents=True)
        for name in MEMBERS:
            with KeyStore.create(self.home / "keys" / f"{name}.keys", PASSPHRASE, CHEAP) as store:
                store.add("main", Scheme.ED25519, Key(name).seed, ("sign", "administer", "read"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRACO_PASSPHRASE", PASSPHRASE)
            patch.setenv("TRACO_URL", f"http://127.0.0.1:{self.port}")
            yield

    def give_names(self, *more: tuple[str, str, bytes]) -> None:
        """Names (name, kind, id) in the home, first those of the members. The node runs."""
        names: Sequence[tuple[str, str, bytes]] = [(name, "party", self.ids[name]) for name in MEMBERS]
        for name, kind, identity in (*names, *more):
            assert run(["name", "add", name, kind, identity.hex(), "--home", str(self.home)]) == 0

    def line(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
        """Commands for this node, in one test."""
        address = os.environ["TRACO_URL"]
        made = CommandLine(self.home, monkeypatch, capfd)
        monkeypatch.setenv("TRACO_URL", address)
        return made

    def send(self, traco: CommandLine, channel: str, name: str, *instructions: Instruction) -> Any:
        """Have a member do something in a channel; what the command prints."""
        file = self.folder / "instructions.json"
        file.write_bytes(msgspec.json.encode([to_form(each) for each in instructions]))
        return done(traco("channel", "submit", channel, file, "--as", f"@{name}", "--json"))


def done(printed: Printed) -> Any:
    """What a command printed that has to succeed."""
    assert printed.code == 0, printed.err
    return printed.document


def accepts(traco: CommandLine, channel: str, name: str) -> bool:
    """Whether a member could accept what is on offer: its node may not have looked at the key yet."""
    return traco("channel", "accept", channel, "--as", f"@{name}").code == 0

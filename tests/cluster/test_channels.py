"""A channel of two organisations on a network of four, each with a node and an engine of its own; the others get hashes only."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import CommandLine, Printed
from support.running import wait_until
from support.town import salt
from traco.client.forms import to_form
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.node.founding.local import free_ports, read_local
from traco.node.founding.operation import stop_all

MARKER = b"planted marker of a payment"
MEMBERS = ("org1", "org2")


class Net:
    """Four nodes on this machine; each organisation asks its own."""

    def __init__(self, traco: CommandLine, directory: Path) -> None:
        self.traco, self.directory = traco, directory
        self.passphrase = ("--passphrase-file", directory / "passphrase", "--json")
        nodes = read_local(directory).nodes
        self.urls = {f"org{place}": f"http://127.0.0.1:{node.port}" for place, node in enumerate(nodes, 1)}
        self.places = {f"org{place}": directory / node.name for place, node in enumerate(nodes, 1)}
        self.ids = dict[str, bytes]()

    def do(self, name: str, *arguments: str | Path) -> Printed:
        """A command of an organisation, at its own node."""
        return self.traco(*arguments, "--as", f"@{name}", "--url", self.urls[name], *self.passphrase)

    def done(self, name: str, *arguments: str | Path) -> Any:
        printed = self.do(name, *arguments)
        assert printed.code == 0, printed.err
        return printed.document

    def succeeds(self, name: str, *arguments: str | Path) -> bool:
        return self.do(name, *arguments).code == 0

    def send(self, name: str, channel: str, *instructions: Instruction) -> Any:
        file = self.directory / "instructions.json"
        file.write_bytes(msgspec.json.encode([to_form(each) for each in instructions]))
        return self.done(name, "channel", "submit", channel, file)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Net]:
    traco, directory = CommandLine(tmp_path / "home", monkeypatch, capfd), tmp_path / "net"
    made = traco("network", "local", "4", directory, "--json")
    assert made.code == 0, made.err
    found = Net(traco, directory)
    for place, port in zip(found.places.values(), free_ports(4), strict=True):
        config = msgspec.json.decode((place / "node.json").read_bytes())
        config["channels"] = {"enabled": True, "listen": [f"127.0.0.1:{port}"]}
        (place / "node.json").write_bytes(msgspec.json.encode(config))
    try:
        started = traco("network", "start", directory, "--json")
        assert started.code == 0, started.err
        yield found
    finally:
        stop_all(directory, read_local(directory).nodes)


def opened(net: Net) -> str:
    """A channel of both members, each of which has accepted at its own node."""
    channel: str = net.done("org1", "channel", "open", "--member", "@org1", "--member", "@org2")["channel"]
    for name in MEMBERS:
        wait_until(partial(net.succeeds, name, "channel", "accept", channel))
    wait_until(lambda: net.succeeds("org1", "channel", "query", channel, "holding.list_instruments"))
    return channel


def filled(net: Net, channel: str, issuer: str, code: str) -> None:
    """Accounts of both members, and 1,000 of an instrument in that of its issuer."""
    for name in MEMBERS:
        party = net.ids[name]
        account = OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
        )
        net.send(name, channel, account)
    party = net.ids[issuer]
    created = CreateInstrument(party, code, InstrumentKind.SECURITY, None, 2, bytes(32), (party,))
    issued = Issue(party, instrument_id(party, code), account_id(party, salt(issuer)), 1_000, b"")
    net.send(issuer, channel, created, issued)


def settled(net: Net, notes: str, cash: str) -> Any:
    """Notes of ``org1`` against cash of ``org2``: each drafts, signs and seals its leg at its own node; ``org3`` orders both."""
    folder = net.directory.parent
    legs = {"org1": ("note", notes, "NOTE"), "org2": ("cash", cash, "CASH")}
    for giver, (leg, channel, code) in legs.items():
        taker = next(name for name in MEMBERS if name != giver)
        source, target = (account_id(net.ids[name], salt(name)).hex() for name in (giver, taker))
        moved = f"{source},{target},{instrument_id(net.ids[giver], code).hex()},1.50"
        net.done(
            giver, "channel", "deal", "draft", channel, "--move", moved, "--output", folder / f"{leg}.leg"
        )
    public = (folder / "note.leg.public", folder / "cash.leg.public")
    terms = folder / "deal.terms"
    net.done("org1", "channel", "deal", "terms", *public, "--minutes", "5", "--output", terms)
    for giver, (leg, _, _) in legs.items():
        net.done(giver, "channel", "deal", "sign", folder / f"{leg}.leg", "--terms", terms)
        net.done(giver, "channel", "deal", "seal", folder / f"{leg}.signed", "--terms", terms)
    sealed = (folder / "note.sealed", folder / "cash.sealed")
    ordered = net.done("org3", "channel", "deal", "order", terms, *sealed, "--no-wait")
    assert ordered["status"] == "undecided"
    return [net.done(name, "channel", "deal", "status", terms) for name in MEMBERS]


@pytest.mark.slow
def test_two_of_four_do_business_that_the_others_cannot_read(net: Net) -> None:
    for name, place in net.places.items():
        seated = net.done(name, "channel", "seat", place)
        net.ids[name] = bytes.fromhex(seated["seat"])
        assert seated["address"].startswith("https://127.0.0.1:")
        wait_until(partial(net.succeeds, name, "channel", "list"))
    channel = opened(net)
    issuer, instrument = net.ids["org1"], instrument_id(net.ids["org1"], "NOTE")
    accounts = {name: account_id(net.ids[name], salt(name)) for name in MEMBERS}
    filled(net, channel, "org1", "NOTE")
    paid = net.send(
        "org1", channel, Transfer(issuer, instrument, accounts["org1"], accounts["org2"], 300, MARKER)
    )
    assert paid["status"] == "confirmed"

    wait_until(
        lambda: net.done("org2", "channel", "status", channel, paid["transaction"])["status"] == "confirmed"
    )
    fields = (f"instrument={instrument.hex()}", f"account={accounts['org2'].hex()}")
    assert _has(net, "org2", channel, fields, 300)

    cash = opened(net)
    filled(net, cash, "org2", "CASH")
    assert [found["status"] for found in settled(net, channel, cash)] == ["committed"] * 2
    for ledger, giver, code, left in ((channel, "org1", "NOTE", 550), (cash, "org2", "CASH", 850)):
        asked = (
            f"instrument={instrument_id(net.ids[giver], code).hex()}",
            f"account={accounts[giver].hex()}",
        )
        for name in MEMBERS:  # each sees both legs executed at its own node
            wait_until(partial(_has, net, name, ledger, asked, left))

    for name in ("org3", "org4"):
        assert net.done(name, "channel", "list") == {"items": [], "offers": []}
        assert not net.succeeds(name, "channel", "query", channel, "holding.get", *fields)
        kept = b"".join(path.read_bytes() for path in net.places[name].rglob("*") if path.is_file())
        assert bytes.fromhex(channel) in kept
        assert not [
            secret
            for secret in (MARKER, instrument, instrument_id(net.ids["org2"], "CASH"), *accounts.values())
            if secret in kept
        ]


def _has(net: Net, name: str, channel: str, fields: tuple[str, ...], amount: int) -> bool:
    held = net.done(name, "channel", "query", channel, "holding.get", *fields)
    return bool(held["answer"]["available"] == amount)

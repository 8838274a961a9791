"""A whole trade on a network where nobody is answered without a token: each party asks and acts with its own keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import PASSPHRASE, CommandLine
from support.live_node import LiveNode, free_port, make_keys
from support.running import wait_until
from traco.cli.main import run
from traco.cli.problems import ExitCode
from traco.client.keystore import KeyStore
from traco.client.sdk import Access, LedgerClient

INVOICE = Path(__file__).parents[2] / "examples" / "invoices" / "01-invoice-ubl.xml"
LEIS = {"seller": "TRACOTESTSELLER00122", "buyer": "TRACOTESTBUYER000198"}
PARTIES = ("cash", "seller", "buyer", "bank", "rival", "stranger")
ACCEPTING = (
    "--cash-account",
    "@seller-account",
    "--receivable-account",
    "@seller-account",
    "--as",
    "@seller",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node of a test network; parties, accounts and cash."""
    folder = tmp_path_factory.mktemp("tokens")
    made = folder / "home"

    def traco(*arguments: str | Path) -> None:
        assert run([*map(str, arguments), "--home", str(made), "--json"]) == 0, arguments

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACO_PASSPHRASE", PASSPHRASE)
        traco("node", "init", folder / "node", "--purpose", "test", "--port", str(free_port()))
        node = LiveNode(folder / "node", PASSPHRASE)
        try:
            for name in PARTIES:
                make_keys(made / "keys" / f"{name}.keys", PASSPHRASE)
                lei = ["--lei", LEIS[name]] if name in LEIS else []
                traco("party", "register", name, "--legal-name", f"The {name}", *lei, "--as", "@operator")
            traco("party", "grant-role", "@cash", "cash_operator", "--as", "@operator")
            traco("instrument", "create", "eur", "--code", "EUR", "--currency", "EUR", "--as", "@cash")
            for name in PARTIES[1:]:
                traco("holding", "open-account", f"{name}-account", "--as", f"@{name}")
            for name in ("buyer", "bank"):
                traco("holding", "issue", "@eur", f"@{name}-account", "200000", "--as", "@cash")
            yield made
        finally:
            node.kill()


@pytest.fixture
def traco(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(home, monkeypatch, capfd)


def done(traco: CommandLine, *arguments: str | Path) -> Any:
    """What a command that succeeds says."""
    printed = traco(*arguments, "--json")
    assert printed.code == 0, (arguments, printed.err)
    return printed.document


def refused(traco: CommandLine, *arguments: str | Path) -> tuple[int, str]:
    printed = traco(*arguments, "--json")
    return printed.code, printed.problem["code"]


def projected(traco: CommandLine) -> int:
    """Up to which block reports are complete."""
    return int(done(traco, "report", "positions", "--as", "@operator")["height"])


def address(home: Path) -> tuple[str, dict[str, str]]:
    """The node's address, and ids by name."""
    book = msgspec.json.decode((home / "addresses.json").read_bytes())
    return book["url"], {name: entry["id"] for name, entry in book["names"].items()}


def stream_of(traco: CommandLine, name: str) -> list[Any]:
    """The events that the stream shows a party, of all that happened before an account that it opens now."""
    last = done(traco, "holding", "open-account", f"{name}-last", "--as", f"@{name}")["account"]
    url, ids = address(traco.home)
    with KeyStore.open(traco.home / "keys" / f"{name}.keys", PASSPHRASE) as store:
        signer = store.signer("main")
    found: list[Any] = []
    access = Access(bytes.fromhex(ids[name]), signer, "read")
    with LedgerClient(url, access=access) as client, client.events(after="0.0.0") as events:
        for event in events:
            if event.event.get("account") == last:
                break
            found.append(event.event)
    return found


OFFER = (
    "--file", INVOICE, "--slip", "SLIP", "--cash-account", "@bank-account", "--receivable-account", "@bank-account",
    "--as", "@bank",
)  # fmt: skip


def test_each_party_does_its_part_with_its_own_token_and_sees_its_own_part(
    traco: CommandLine, tmp_path: Path
) -> None:
    slip = tmp_path / "invoice.slip"
    offer = tuple(slip if each == "SLIP" else each for each in OFFER)
    rivals = tuple(each.replace("bank", "rival") if isinstance(each, str) else each for each in offer)
    done(traco, "doc", "register", INVOICE, "--name", "invoice", "--slip", slip, "--as", "@seller")
    done(traco, "doc", "confirm", "@invoice", "--as", "@buyer")
    done(traco, "finance", "request", "deal", "@invoice", "--cash", "@eur", "--as", "@seller")

    # a lender that was given file and slip, but no request, has nothing to look at yet
    check = ("doc", "check", INVOICE, "--slip", slip, "--as", "@bank")
    assert refused(traco, *check)[0] != 0
    done(traco, "finance", "show", "@deal", "--as", "@bank")
    assert done(traco, *check)["facts"] == "match"
    assert done(traco, "finance", "status", "@invoice", "--as", "@bank")["status"] == "REGU"
    done(traco, "finance", "offer", "low", "@deal", "--discount", "4%", *rivals)
    done(traco, "finance", "offer", "bid", "@deal", "--discount", "2.5%", *offer)
    assert [
        sorted(row["name_here"] for row in done(traco, "finance", "show", "@deal", "--as", who)["offers"])
        for who in ("@seller", "@bank", "@rival", "@buyer")
    ] == [["@bid", "@low"], ["@bid"], ["@low"], []]

    done(traco, "finance", "accept", "@deal", "@bid", *ACCEPTING)
    paying = ("--cash", "@eur", "--account", "@buyer-account", "--as", "@buyer")
    paid = done(traco, "finance", "pay", "@invoice", "103246.20", *paying)
    done(traco, "receipt", "export", paid["transaction"], "--output", tmp_path / "paid", "--as", "@buyer")
    wait_until(lambda: projected(traco) >= paid["height"])
    balances = {
        name: done(traco, "report", "statement", f"@{name}-account", "@eur", "--as", f"@{name}")["closing"]
        for name in ("seller", "buyer", "bank")
    }
    assert balances == {"seller": 10_066_505, "buyer": 9_675_380, "bank": 20_258_115}

    # whoever lost is shown the deal no longer, and a stranger never was
    assert refused(traco, "finance", "show", "@deal", "--as", "@rival") == (
        ExitCode.NEGATIVE,
        "object.unknown",
    )
    for asked in (
        ("finance", "show", "@deal"), ("finance", "status", "@invoice"), ("doc", "status", "@invoice"),
        ("doc", "list", "@seller"), ("holding", "show", "@bank-account"), ("holding", "list", "@bank"), ("settle", "list", "@bank"),
        ("report", "statement", "@bank-account", "@eur"),
    ):  # fmt: skip
        assert refused(traco, *asked, "--as", "@stranger") == (ExitCode.NEGATIVE, "object.unknown"), asked
    assert refused(traco, "receipt", "export", paid["transaction"], "--output", tmp_path / "x", "--as", "@stranger")[1] == (
        "transaction.unknown"
    )  # fmt: skip


def test_the_stream_shows_each_its_own(traco: CommandLine) -> None:
    told = {name: stream_of(traco, name) for name in PARTIES[1:]}
    kinds = {name: {event["type"] for event in events} for name, events in told.items()}
    prices = {
        name: {event["price"] for event in events if "price" in event and "offer" in event}
        for name, events in told.items()
    }
    low, bid = 9_911_636, 10_066_505
    assert prices == {"seller": {low, bid}, "buyer": set(), "bank": {bid}, "rival": {low}, "stranger": set()}
    assert {name for name in kinds if "financing.financed/1" in kinds[name]} == {"seller", "buyer", "bank"}
    assert {name for name in kinds if "financing.discharged/1" in kinds[name]} == {"seller", "buyer", "bank"}
    ids = address(traco.home)[1]
    accounts = [identity for name, identity in ids.items() if name.endswith("-account")]
    for name in ("rival", "stranger"):
        own = ids[f"{name}-account"]
        named = {text for event in told[name] for text in event.values() if text in accounts}
        assert named == {own}
    assert {kind for kind in kinds["stranger"] if not kind.startswith(("kernel.", "document."))} == {
        "party.registered/1", "holding.account_opened/1",
    }  # fmt: skip

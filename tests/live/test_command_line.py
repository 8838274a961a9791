from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import PASSPHRASE, CommandLine, Printed
from support.live_node import LiveNode, free_port, make_keys
from support.running import wait_until
from traco.cli.main import run
from traco.cli.problems import ExitCode

INVOICES = Path(__file__).parents[2] / "examples" / "invoices"
LEIS = {"seller": "TRACOTESTSELLER00122", "buyer": "TRACOTESTBUYER000198"}


class Network:
    """A running node and a home directory with everybody's names and keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.directory = folder / "node"

    def run(self, *arguments: str | Path) -> None:
        """A command line of the set-up, which must succeed."""
        assert run([*(str(argument) for argument in arguments), "--home", str(self.home), "--json"]) == 0, (
            arguments
        )


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("live"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACO_PASSPHRASE", PASSPHRASE)
        made.run("node", "init", made.directory, "--port", str(free_port()))
        node = LiveNode(made.directory, PASSPHRASE)
        try:
            set_up(made)
            yield made
        finally:
            node.kill()


def set_up(network: Network) -> None:
    """Parties, cash and accounts."""
    for name in ("seller", "buyer", "bank", "cash"):
        make_keys(network.home / "keys" / f"{name}.keys", PASSPHRASE)
        lei = ["--lei", LEIS[name]] if name in LEIS else []
        network.run("party", "register", name, "--legal-name", f"Example {name}", *lei, "--as", "@operator")
    network.run("party", "grant-role", "@cash", "cash_operator", "--as", "@operator")
    network.run("instrument", "create", "eur", "--code", "EUR", "--currency", "EUR", "--as", "@cash")
    for name in ("seller", "buyer", "bank"):
        network.run("holding", "open-account", f"{name}-cash", "--as", f"@{name}")
        network.run("holding", "open-account", f"{name}-bills", "--as", f"@{name}")
    for name in ("buyer", "bank"):
        network.run("holding", "issue", "@eur", f"@{name}-cash", "200000", "--as", "@cash")


@pytest.fixture
def traco(
    network: Network, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(network.home, monkeypatch, capfd)


def cash_of(traco: CommandLine, name: str) -> int:
    holdings = traco("holding", "show", f"@{name}-cash", "--json").document["holdings"]
    return sum(int(row["available"]) for row in holdings if row["code"] == "EUR")


def done(printed: Printed) -> Any:
    assert printed.code == 0, printed.err
    return printed.document


def test_the_status_of_the_node_is_shown(traco: CommandLine, network: Network) -> None:
    document = done(traco("node", "status", "--json"))
    assert document["height"] >= 1
    assert (
        done(traco("node", "status", "--directory", network.directory, "--json"))["network"]
        == document["network"]
    )


def test_a_party_is_found_by_name_by_id_and_by_lei(traco: CommandLine) -> None:
    by_name = done(traco("party", "show", "@seller", "--json"))
    assert by_name["name"] == "Example seller"
    assert done(traco("party", "show", by_name["id"], "--json")) == by_name
    assert done(traco("party", "show", LEIS["seller"], "--json")) == by_name


def test_parties_are_listed(traco: CommandLine) -> None:
    names = {party["name_here"] for party in done(traco("party", "list", "--json"))["parties"]}
    assert names == {"@operator", "@seller", "@buyer", "@bank", "@cash"}


@pytest.mark.parametrize("party", ["00" * 16, "TRACOTESTNOBODY00000"])
def test_a_party_that_is_not_there_is_a_negative_answer(traco: CommandLine, party: str) -> None:
    printed = traco("party", "show", party, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "party.not_found")


def test_a_transfer_moves_cash(traco: CommandLine) -> None:
    before = cash_of(traco, "bank")
    made = done(
        traco("holding", "transfer", "@eur", "@bank-cash", "@seller-cash", "12.50", "--as", "@bank", "--json")
    )
    assert (made["status"], made["events"][0]["amount"]) == ("final", 1_250)
    assert cash_of(traco, "bank") == before - 1_250


def test_a_transfer_of_too_much_is_rejected_with_the_ledgers_code(traco: CommandLine) -> None:
    printed = traco(
        "holding", "transfer", "@eur", "@bank-cash", "@seller-cash", "1000000", "--as", "@bank", "--json"
    )
    assert (printed.code, printed.out) == (ExitCode.REJECTED, "")
    assert printed.problem["code"] == "holding.insufficient"
    shown = done(traco("tx", "show", printed.problem["transaction"], "--json"))
    assert (shown["status"], shown["failure"]["code"]) == ("rejected", "holding.insufficient")


def test_a_failure_with_amounts_tells_people_what_they_count(traco: CommandLine) -> None:
    printed = traco("holding", "transfer", "@eur", "@bank-cash", "@seller-cash", "1000000", "--as", "@bank")
    assert "100000000 are needed." in printed.err
    assert "Amounts are in the smallest unit." in printed.err


def test_acting_for_another_party_is_refused(traco: CommandLine, network: Network) -> None:
    keys = network.home / "keys" / "seller.keys"
    printed = traco(
        "holding",
        "transfer",
        "@eur",
        "@bank-cash",
        "@seller-cash",
        "1",
        "--as",
        "@bank",
        "--keystore",
        keys,
        "--json",
    )
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "transaction.signature_missing")


def test_a_name_that_is_taken_makes_nothing(traco: CommandLine) -> None:
    height = done(traco("node", "status", "--json"))["height"]
    printed = traco("holding", "open-account", "bank-cash", "--as", "@bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "name.taken")
    assert done(traco("node", "status", "--json"))["height"] == height


def test_an_account_whose_servicer_controls_credits_takes_the_owners_signature(traco: CommandLine) -> None:
    opened = ("--owner", "@seller", "--kind", "client", "--credit", "servicer", "--as", "@bank", "--json")
    done(traco("holding", "open-account", "kept-for-seller", *opened))


def test_redeeming_needs_operator_and_holder(traco: CommandLine) -> None:
    before = cash_of(traco, "bank")
    done(
        traco("holding", "redeem", "@eur", "@bank-cash", "10", "--holder", "@bank", "--as", "@cash", "--json")
    )
    assert cash_of(traco, "bank") == before - 1_000


def test_instructions_written_as_json_are_sent(traco: CommandLine, tmp_path: Path) -> None:
    transfer = {
        "type": "holding.transfer/1", "party": "@bank", "instrument": "@eur", "sender": "@bank-cash",
        "receiver": "@seller-cash", "amount": 3, "reference": "",
    }  # fmt: skip
    file = tmp_path / "transfers.json"
    file.write_bytes(msgspec.json.encode([transfer, transfer]))
    assert len(done(traco("tx", "send", file, "--as", "@bank", "--json"))["events"]) == 2


def test_a_written_transaction_counts_once_however_often_it_is_submitted(
    traco: CommandLine, tmp_path: Path
) -> None:
    file, signed = tmp_path / "transfer.json", tmp_path / "transfer.tx"
    file.write_bytes(msgspec.json.encode({
        "type": "holding.transfer/1", "party": "@bank", "instrument": "@eur", "sender": "@bank-cash",
        "receiver": "@seller-cash", "amount": 700, "reference": "",
    }))  # fmt: skip
    before = cash_of(traco, "bank")
    done(traco("tx", "send", file, "--as", "@bank", "--write", signed, "--json"))
    first = done(traco("tx", "submit", signed, "--json"))
    assert done(traco("tx", "submit", signed, "--json")) == first
    assert cash_of(traco, "bank") == before - 700


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "instructions.not_json"),
        (b"{}", "instructions.unknown"),
        (b'{"type": "holding.transfer/1"}', "input.invalid"),
    ],
)
def test_instructions_that_cannot_be_are_not_sent(
    traco: CommandLine, tmp_path: Path, content: bytes, code: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    printed = traco("tx", "send", tmp_path / "file", "--as", "@bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, code)


def test_bytes_that_are_no_transaction_are_refused(traco: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nonsense")
    printed = traco("tx", "submit", tmp_path / "file", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "transaction.malformed")


def test_an_unknown_transaction_is_a_negative_answer(traco: CommandLine) -> None:
    printed = traco("tx", "show", "00" * 32, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "transaction.unknown")


def test_an_exported_receipt_is_valid(traco: CommandLine, network: Network, tmp_path: Path) -> None:
    made = done(
        traco("holding", "transfer", "@eur", "@bank-cash", "@seller-cash", "1", "--as", "@bank", "--json")
    )
    file = tmp_path / "receipt"
    done(traco("receipt", "export", made["transaction"], "-o", file, "--json"))
    proof = done(traco("verify", file, "--genesis", network.directory / "genesis.json", "--json"))
    assert proof["transaction"] == made["transaction"]


def test_a_batch_settles_when_all_have_affirmed(traco: CommandLine) -> None:
    leg = "@bank,@seller,@eur,25"
    done(traco("settle", "create", "gift", "--leg", leg, "--as", "@bank", "--json"))
    assert done(traco("settle", "show", "@gift", "--json"))["complete"] is False
    before = cash_of(traco, "seller")
    done(traco("settle", "affirm", "@gift", "--from", "@bank-cash", "--as", "@bank", "--json"))
    done(traco("settle", "affirm", "@gift", "--into", "@seller-cash", "--as", "@seller", "--json"))
    assert done(traco("settle", "show", "@gift", "--json"))["status"] == "settled"
    assert cash_of(traco, "seller") == before + 2_500


def test_a_partys_batches_and_accounts_are_listed(traco: CommandLine) -> None:
    leg = "@bank,@seller,@eur,25"
    made = done(traco("settle", "create", "listed", "--leg", leg, "--as", "@bank", "--json"))
    identity = made["batch"]
    wait_until(lambda: identity in traco("settle", "list", "@seller", "--json").out)
    found = {row["id"]: row for row in done(traco("settle", "list", "@seller", "--json"))["batches"]}
    assert (found[identity]["status"], found[identity]["legs"]) == ("open", 1)
    accounts = done(traco("holding", "list", "@bank", "--json"))["accounts"]
    held = {row["code"]: row["owned"] for each in accounts for row in each["holdings"]}
    assert held["EUR"] > 0
    assert "@bank-cash" in traco("holding", "list", "@bank").out


def test_a_cancelled_batch_releases_what_was_held(traco: CommandLine) -> None:
    before = cash_of(traco, "bank")
    leg = "@bank,@seller,@eur,25"
    done(traco("settle", "create", "off", "--leg", leg, "--settler", "@bank", "--as", "@bank", "--json"))
    done(traco("settle", "affirm", "@off", "--from", "@bank-cash", "--as", "@bank", "--json"))
    assert cash_of(traco, "bank") == before - 2_500
    done(traco("settle", "cancel", "@off", "--as", "@bank", "--json"))
    assert cash_of(traco, "bank") == before


def test_an_invoice_is_financed_and_paid(traco: CommandLine, network: Network) -> None:
    file = INVOICES / "01-invoice-ubl.xml"
    registered = done(traco("doc", "register", file, "--name", "invoice", "--as", "@seller", "--json"))
    assert (registered["outcome"], registered["warnings"]) == ("REGU", [])
    again = done(traco("doc", "register", INVOICES / "02-same-invoice-cii.xml", "--as", "@seller", "--json"))
    assert (again["outcome"], again["matches"][0]["strength"]) == ("REDU", "exact")
    done(traco("doc", "confirm", "@invoice", "--as", "@buyer", "--json"))
    assert done(traco("doc", "status", "@invoice", "--json"))["confirmed"] is True
    slip = network.home / "documents" / f"{registered['document']}.slip"
    assert done(traco("doc", "check", file, "--slip", slip, "--as", "@bank", "--json"))["facts"] == "match"
    other = traco("doc", "check", INVOICES / "05-machines-ubl.xml", "--slip", slip, "--as", "@bank", "--json")
    assert (other.code, other.problem["code"]) == (ExitCode.NEGATIVE, "content.mismatch")

    done(traco("finance", "request", "deal", "@invoice", "--cash", "@eur", "--as", "@seller", "--json"))
    done(traco(
        "finance", "offer", "bid", "@deal", "--discount", "2.5", "--file", file, "--slip", slip,
        "--cash-account", "@bank-cash", "--receivable-account", "@bank-bills", "--as", "@bank", "--json",
    ))  # fmt: skip
    seller, bank = cash_of(traco, "seller"), cash_of(traco, "bank")
    done(traco(
        "finance", "accept", "@deal", "@bid", "--cash-account", "@seller-cash", "--receivable-account",
        "@seller-bills", "--as", "@seller", "--json",
    ))  # fmt: skip
    assert (cash_of(traco, "seller") - seller, bank - cash_of(traco, "bank")) == (10_066_505, 10_066_505)
    assert done(traco("finance", "status", "@invoice", "--json"))["status"] == "DFIN"
    refused = traco("finance", "request", "twice", "@invoice", "--cash", "@eur", "--as", "@seller", "--json")
    assert refused.code == ExitCode.REJECTED

    done(traco("finance", "set-payout", "@bank-bills", "--payout", "@bank-cash", "--as", "@bank", "--json"))
    bank = cash_of(traco, "bank")
    done(
        traco(
            "finance",
            "pay",
            "@invoice",
            "103246.20",
            "--cash",
            "@eur",
            "--account",
            "@buyer-cash",
            "--as",
            "@buyer",
            "--json",
        )
    )
    assert cash_of(traco, "bank") == bank + 10_324_620
    assert done(traco("finance", "show", "@deal", "--json"))["discharged"] is True


@pytest.mark.parametrize(
    ("file", "code"), [("08-cut-off-ubl.xml", "invoice.not_xml"), ("README.md", "invoice.not_xml")]
)
def test_a_file_that_is_no_invoice_is_reported(traco: CommandLine, file: str, code: str) -> None:
    printed = traco("doc", "register", INVOICES / file, "--as", "@seller", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, code)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("12.345",), "amount.too_fine"),
        (("1,5",), "amount.unreadable"),
        (("99999999999999999999999999",), "amount.too_large"),
        (("0",), "amount.zero"),
        (("9999999999999999999",), "amount.too_large"),
        (("1", "--reference", "x" * 65), "reference.too_long"),
    ],
)
def test_amounts_and_references_are_checked_here(
    traco: CommandLine, arguments: tuple[str, ...], code: str
) -> None:
    printed = traco(
        "holding", "transfer", "@eur", "@bank-cash", "@seller-cash", *arguments, "--as", "@bank", "--json"
    )
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, code)


@pytest.mark.parametrize(
    "arguments",
    [
        ("party", "show", "@seller"), ("party", "list"), ("instrument", "show", "@eur"), ("instrument", "list"),
        ("holding", "show", "@bank-cash"), ("holding", "list", "@bank"), ("settle", "list", "@bank"), ("name", "list"), ("doc", "list", "@seller"), ("node", "status"),
    ],
)  # fmt: skip
def test_answers_for_people_are_tables(traco: CommandLine, arguments: tuple[str, ...]) -> None:
    printed = traco(*arguments)
    assert printed.code == 0
    assert "{" not in printed.out


def test_state_is_proven_beside_the_running_node(traco: CommandLine, network: Network) -> None:
    printed = traco("state", "prove", "holding", network.directory, "@eur", "@bank-cash", "--json")
    assert done(printed)["record"]["available"] == cash_of(traco, "bank")


def test_another_networks_home_is_refused(traco: CommandLine, tmp_path: Path) -> None:
    url = done(traco("node", "status", "--json"))["url"]
    done(traco("node", "init", tmp_path / "node", "--home", tmp_path / "home", "--json"))
    printed = traco("party", "list", "--home", tmp_path / "home", "--url", url, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "node.other_network")


def test_a_node_stops_and_starts_again_with_all_it_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    traco = CommandLine(tmp_path / "home", monkeypatch, capfd)
    directory = tmp_path / "node"
    done(traco("node", "init", directory, "--port", str(free_port()), "--json"))
    make_keys(traco.home / "keys" / "seller.keys", PASSPHRASE)
    node = LiveNode(directory, PASSPHRASE)
    try:
        done(traco("party", "register", "seller", "--legal-name", "Example", "--as", "@operator", "--json"))
        done(traco("node", "stop", directory, "--json"))
        assert node.wait() == 0
        assert done(traco("node", "audit", directory, "--json"))["height"] == 1
        node = LiveNode(directory, PASSPHRASE)
        assert node.ready["height"] == 1
        assert done(traco("party", "show", "@seller", "--json"))["name"] == "Example"
    finally:
        node.kill()

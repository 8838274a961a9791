from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import CommandLine
from traco.cli.problems import ExitCode
from traco.kernel.genesis import network_id, parse_genesis

TIME = "2026-11-02T09:00:00Z"
pytestmark = pytest.mark.usefixtures("cheap_keys")


class Founders:
    """Organisations with a prepared node each, and the files that they exchange."""

    def __init__(self, traco: CommandLine, folder: Path) -> None:
        self.traco, self.folder = traco, folder
        self.genesis = folder / "genesis.json"

    def node(self, name: str) -> Path:
        return self.folder / name

    def card(self, name: str) -> Path:
        return self.node(name) / "card.json"

    def init(self, name: str, number: int, *more: str | Path) -> Any:
        return self.traco(
            "node", "init", self.node(name), "--engine", "cometbft", "--operator", f"Bank {name}", "--country", "DE",
            "--address", f"127.0.0.1:{26_650 + number}", "--provider", "own", *more, "--json",
        )  # fmt: skip

    def assemble(self, names: str, *more: str, threshold: int = 2) -> Any:
        cards = [part for name in names for part in ("--card", self.card(name))]
        return self.traco(
            "network", "assemble", "--name", "Pilot", "--purpose", "test", "--threshold", str(threshold), *cards,
            "--output", self.genesis, "--time", TIME, *more, "--json",
        )  # fmt: skip

    def sign(self, name: str, *more: str | Path) -> Any:
        return self.traco(
            "network",
            "sign",
            self.node(name),
            self.genesis,
            "--output",
            self.folder / f"{name}.sig",
            *more,
            "--json",
        )

    def accept(self, name: str, signers: str, *more: str | Path) -> Any:
        files = [self.folder / f"{signer}.sig" for signer in signers]
        return self.traco("network", "accept", self.node(name), self.genesis, *files, *more, "--json")


@pytest.fixture
def founders(traco: CommandLine, tmp_path: Path) -> Founders:
    made = Founders(traco, tmp_path)
    for number, name in enumerate("AB"):
        assert made.init(name, number).code == 0
    return made


def test_a_node_for_a_cluster_gets_a_card_and_no_network(founders: Founders) -> None:
    printed = founders.init("C", 3)
    card = msgspec.json.decode(founders.card("C").read_bytes())
    assert printed.document["member"] == card["statement"]["member"]
    assert card["statement"]["placement"]["operator"] == "Bank C"
    assert not (founders.node("C") / "genesis.json").exists()
    config = msgspec.json.decode((founders.node("C") / "node.json").read_bytes())
    assert (config["engine"]["p2p_host"], config["engine"]["p2p_port"]) == ("127.0.0.1", 26_653)


def test_a_node_for_a_cluster_needs_an_address(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("node", "init", tmp_path / "node", "--engine", "cometbft", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.USAGE, "usage.no_address")


@pytest.mark.parametrize("address", ["somewhere", "https://a.example:1", "a.example:99999"])
def test_an_address_that_nobody_can_dial_makes_no_node(
    traco: CommandLine, tmp_path: Path, address: str
) -> None:
    printed = traco("node", "init", tmp_path / "node", "--engine", "cometbft", "--address", address, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.card_invalid")
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize("wrong", [("--provider", "With Space"), ("--country", "de"), ("--operator", "")])
def test_what_no_card_can_say_leaves_no_node_behind(
    traco: CommandLine, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    printed = traco(
        "node",
        "init",
        tmp_path / "node",
        "--engine",
        "cometbft",
        "--address",
        "127.0.0.1:1",
        *wrong,
        "--json",
    )
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.card_invalid")
    assert list((tmp_path / "node").iterdir()) == []


def test_founders_assemble_sign_and_accept(founders: Founders) -> None:
    shown = founders.assemble("AB", "--fingerprints", "Bank A").document
    genesis = parse_genesis(founders.genesis.read_bytes())
    assert shown["network"] == network_id(genesis).hex()
    assert founders.sign("A", "--network", shown["network"]).document["signed_for"] == "Bank A"
    assert founders.sign("B").code == 0
    assert founders.accept("A", "AB").document["signatures"] == 2
    assert founders.accept("B", "BA", "--name", "bank-b").code == 0
    first, second = [(founders.node(name) / "genesis.json").read_bytes() for name in "AB"]
    assert first == second == founders.genesis.read_bytes()
    names = founders.traco("name", "list", "--json").document["names"]
    assert sorted(each["name"] for each in names) == ["@bank-b", "@operator"]


def test_the_same_cards_terms_and_time_give_the_same_genesis(founders: Founders) -> None:
    founders.assemble("AB")
    first = founders.genesis.read_bytes()
    founders.assemble("BA")
    assert founders.genesis.read_bytes() == first


def test_people_see_what_they_have_to_check(founders: Founders) -> None:
    founders.assemble("AB", "--parameter", "network.vote_ms=300")
    printed = founders.traco("network", "show", founders.genesis)
    for part in (
        "2 of 2 members of the council", "no fault: when any one validator stops", "Bank A", "127.0.0.1:26651", "50.0 %",
        "vote_ms", "300", "2026-11-02 09:00:00 UTC",
    ):  # fmt: skip
        assert part in printed.out


def test_an_observer_is_a_member_but_not_of_the_council(founders: Founders) -> None:
    document = founders.assemble("A", "--observer", str(founders.card("B")), threshold=1).document
    assert [(row["name"], row["council"]) for row in document["members"]] == [
        ("Bank A", True),
        ("Bank B", False),
    ]
    assert [(row["member"], row["role"]) for row in document["nodes"]] == [
        ("Bank A", "validator"),
        ("Bank B", "observer"),
    ]


def test_a_card_that_was_changed_is_named(founders: Founders) -> None:
    text = founders.card("B").read_text()
    founders.card("B").write_text(text.replace("127.0.0.1:26651", "127.0.0.1:26699"))
    printed = founders.assemble("AB")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.card_invalid")
    assert "B/card.json" in printed.problem["detail"]
    assert not founders.genesis.exists()


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("network.max_provider_ppm=400000", "node.genesis_invalid"), ("network.none=1", "node.genesis_invalid"),
        ("network", "usage.invalid"), ("network.vote_ms=fast", "node.genesis_invalid"),
    ],
)  # fmt: skip
def test_parameters_that_the_ledger_refuses_make_no_genesis(
    founders: Founders, parameter: str, code: str
) -> None:
    assert founders.assemble("AB", "--parameter", parameter).problem["code"] == code
    assert not founders.genesis.exists()


def test_a_time_that_is_none_is_refused(founders: Founders) -> None:
    assert founders.assemble("AB", "--time", "noon").problem["code"] == "time.unusable"


def test_a_genesis_is_not_signed_that_says_something_else_of_the_organisation(founders: Founders) -> None:
    founders.assemble("AB")
    founders.genesis.write_text(founders.genesis.read_text().replace("127.0.0.1:26650", "127.0.0.1:1"))
    printed = founders.sign("A")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.card_changed")
    assert not (founders.folder / "A.sig").exists()


def test_another_network_than_was_agreed_is_not_signed(founders: Founders) -> None:
    founders.assemble("AB")
    printed = founders.sign("A", "--network", "00" * 32)
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.other_network")


def test_a_network_that_its_own_organisation_did_not_sign_is_refused(founders: Founders) -> None:
    founders.assemble("AB")
    founders.sign("B")
    printed = founders.accept("A", "B")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.signature_missing")
    assert "Bank A did not sign" in printed.problem["detail"]
    assert founders.traco("node", "start", founders.node("A"), "--json").problem["code"] == "node.not_founded"


def test_a_home_of_another_network_is_told_before_anything_is_made(founders: Founders) -> None:
    founders.traco("node", "init", founders.folder / "alone", "--json")
    founders.assemble("A", threshold=1)
    founders.sign("A")
    assert founders.accept("A", "A", "--name", "bank-a").problem["code"] == "home.other_network"
    assert not (founders.node("A") / "genesis.json").exists()


def test_keys_of_the_organisation_may_be_elsewhere(founders: Founders) -> None:
    founders.traco("key", "create", "bank-c")
    keys = founders.traco.home / "keys" / "bank-c.keys"
    assert founders.init("C", 5, "--member-keys", keys).code == 0
    assert founders.init("D", 6, "--member-keys", keys, "--operator", "Bank C").code == 0
    founders.assemble("ACD", threshold=2)
    founders.sign("A")
    assert founders.sign("C").problem["code"] == "founding.node_foreign"
    shown = ("--card", founders.card("D"))
    assert founders.sign("C", *shown).problem["code"] == "keystore.no_key"
    assert founders.sign("C", *shown, "--member-keys", keys).code == 0
    for name in "CD":
        assert founders.accept(name, "AC", "--name", "bank-c", "--member-keys", keys).code == 0


def test_an_id_on_the_ledger_needs_the_keys_that_go_with_it(founders: Founders) -> None:
    assert founders.init("C", 5, "--member", "00" * 16).problem["code"] == "usage.no_keys"


def test_an_organisation_that_joins_later_accepts_with_what_another_node_keeps(founders: Founders) -> None:
    founders.assemble("A", threshold=1)
    founders.sign("A")
    founders.accept("A", "A", "--name", "bank-a")
    kept = founders.node("A") / "founding.json"
    printed = founders.traco(
        "network", "accept", founders.node("B"), founders.genesis, kept, "--name", "bank-b", "--json"
    )
    assert printed.code == 0
    accepted = msgspec.json.decode((founders.node("B") / "founding.json").read_bytes())["accepted"]
    assert accepted["member"] == printed.document["member"]


@pytest.mark.parametrize("what", ["assemble", "show", "sign", "accept"])
def test_files_that_are_missing_are_named(founders: Founders, what: str) -> None:
    missing = founders.folder / "missing.json"
    lines = {
        "assemble": ("--name", "x", "--threshold", "1", "--card", missing, "--output", founders.genesis),
        "show": (missing,),
        "sign": (founders.node("A"), missing, "--output", founders.folder / "x"),
        "accept": (founders.node("A"), missing, missing),
    }
    printed = founders.traco("network", what, *lines[what], "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "file.unusable")
    assert "missing.json" in printed.problem["detail"]


# On one machine


@pytest.fixture
def net(traco: CommandLine, tmp_path: Path) -> Path:
    printed = traco("network", "local", "1", tmp_path / "net", "--observers", "1", "--json")
    assert printed.code == 0
    return tmp_path / "net"


def test_a_network_on_this_machine_comes_with_names_for_its_organisations(
    traco: CommandLine, net: Path
) -> None:
    genesis = parse_genesis((net / "node1" / "genesis.json").read_bytes())
    names = traco("name", "list", "--json").document["names"]
    assert [name["name"] for name in names] == ["@org1", "@org2"]
    addresses = traco("network", "addresses", net, "--json").document["nodes"]
    assert [(row["node"], row["role"]) for row in addresses] == [
        ("node1", "validator"),
        ("node2", "observer"),
    ]
    book = msgspec.json.decode((traco.home / "addresses.json").read_bytes())
    assert (book["network"], book["url"]) == (network_id(genesis).hex(), addresses[0]["url"])


def test_the_state_of_nodes_that_do_not_run_is_shown(traco: CommandLine, net: Path) -> None:
    rows = traco("network", "status", net, "--json").document["nodes"]
    assert [(row["name"], row["state"], row["height"]) for row in rows] == [
        ("node1", "down", 0),
        ("node2", "down", 0),
    ]
    printed = traco("network", "status", net).out
    assert "node2" in printed
    assert "MiB" in printed


def test_nodes_that_do_not_run_need_not_be_stopped(traco: CommandLine, net: Path) -> None:
    assert traco("network", "stop", net, "--json").document["stopped"] == []


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_node_that_is_not_there_is_named(traco: CommandLine, net: Path, verb: str) -> None:
    printed = traco("network", verb, net, "--node", "node9", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.USAGE, "usage.no_node")


def test_programs_do_not_watch(traco: CommandLine, net: Path) -> None:
    assert traco("network", "status", net, "--watch", "--json").problem["code"] == "usage.invalid"


@pytest.mark.parametrize("verb", ["start", "stop", "status", "addresses"])
def test_a_directory_without_a_network_is_said_to_have_none(
    traco: CommandLine, tmp_path: Path, verb: str
) -> None:
    printed = traco("network", verb, tmp_path, "--json")
    assert printed.problem["code"] == "network.not_local"


def test_a_home_of_another_network_gets_no_network(traco: CommandLine, tmp_path: Path, net: Path) -> None:
    printed = traco("network", "local", "1", tmp_path / "other", "--json")
    assert printed.problem["code"] == "name.taken"
    assert not (tmp_path / "other").exists()

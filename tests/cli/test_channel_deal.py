"""``traco channel deal`` where no node is asked: looking at files and signing them; with nodes it is run by tests/live and tests/cluster."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.channel_town import member_of
from support.command_line import PASSPHRASE, CommandLine, Printed
from support.ledger import Key
from support.live_node import CHEAP
from traco.cli.problems import ExitCode
from traco.client.channel_deals import AgreedTerms, DraftLeg, agree, draft_leg, leg_transaction, to_file
from traco.client.collecting import read_draft
from traco.client.keystore import KeyStore
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT
from traco.kernel.crypto import Scheme
from traco.modules.composition import compose
from traco.modules.leg.messages import LegContent

NETWORK = b"n" * 32
CHANNEL = b"c" * 32
BANK, BROKER = member_of("bank"), member_of("broker")


class Table:
    """A leg in a channel that bank and broker sign, one on the root that the broker signs, and terms of both."""

    def __init__(self, folder: Path, traco: CommandLine) -> None:
        self.folder, self.traco = folder, traco
        self.leg, self.root = _leg(CHANNEL, 10, [BANK, BROKER]), _leg(ROOT, 5, [BROKER])
        self.agreed = agree(NETWORK, [self.leg.public(), self.root.public()], 1_000_000)
        self.write("bond.leg", self.leg)
        self.write("cash.leg", self.root)
        self.write("deal.terms", self.agreed)
        for name in ("bank", "broker"):
            with KeyStore.create(folder / f"{name}.keys", PASSPHRASE, CHEAP) as store:
                store.add("main", Scheme.ED25519, Key(name).seed, ("sign", "administer"))

    def write(self, name: str, record: DraftLeg | AgreedTerms) -> Path:
        path = self.folder / name
        path.write_bytes(to_file(record))
        return path

    def sign(self, name: str, leg: str, *more: str) -> Printed:
        acting = ("--as", member_of(name).hex(), "--keystore", self.folder / f"{name}.keys")
        terms = ("--terms", self.folder / "deal.terms")
        return self.traco("channel", "deal", "sign", self.folder / leg, *terms, *acting, *more, "--json")

    def show(self, file: str, *more: str | Path) -> Printed:
        return self.traco("channel", "deal", "show", self.folder / file, *more, "--json")


def _leg(ledger: bytes, amount: int, parties: list[bytes]) -> DraftLeg:
    moved = Movement(b"i" * 16, b"f" * 16, b"r" * 16, amount, b"")
    return draft_leg(NETWORK, ledger, LegContent((moved,)), parties, [BANK] if ledger else [])


@pytest.fixture
def table(tmp_path: Path, traco: CommandLine) -> Table:
    return Table(tmp_path, traco)


def refusal(printed: Printed) -> tuple[int, Any]:
    return printed.code, printed.problem["code"]


def test_several_parties_sign_a_leg_one_after_the_other(table: Table) -> None:
    assert table.sign("bank", "bond.leg").document["signatures"] == 1
    found = table.sign("broker", "bond.leg").document
    assert (found["signatures"], found["signed_for"]) == (2, table.agreed.id.hex())
    signed = table.folder / "bond.signed"
    draft = read_draft(signed.read_bytes(), compose().body)
    assert (draft.ledger, draft.instructions) == (CHANNEL, (table.leg.hold(table.agreed.id),))
    assert draft.valid_until_ms == table.agreed.terms.deadline_ms
    assert signed.stat().st_mode & 0o777 == 0o600
    shown = table.traco("tx", "inspect", signed, "--json").document
    assert shown["channel"] == CHANNEL.hex()


def test_a_leg_on_the_root_needs_no_sealing_once_it_is_signed(table: Table) -> None:
    assert table.sign("broker", "cash.leg").document["signatures"] == 1
    assert (table.folder / "cash.sealed").exists()


def test_after_an_attempt_that_was_aborted_a_leg_is_signed_anew(table: Table) -> None:
    table.sign("bank", "bond.leg")
    before = (table.folder / "bond.signed").read_bytes()
    table.sign("bank", "bond.leg")
    assert (table.folder / "bond.signed").read_bytes() == before
    assert table.sign("broker", "bond.leg", "--anew").document["signatures"] == 1
    assert (table.folder / "bond.signed").read_bytes() != before


def test_who_does_not_act_in_a_leg_does_not_sign_it(table: Table) -> None:
    assert refusal(table.sign("bank", "cash.leg")) == (ExitCode.REFUSED, "transaction.not_actor")
    assert not (table.folder / "cash.sealed").exists()


def test_a_leg_that_was_tampered_with_is_not_signed(table: Table) -> None:
    table.write("bond.leg", replace(table.leg, content=_leg(CHANNEL, 9, [BANK]).content))
    assert refusal(table.sign("bank", "bond.leg")) == (ExitCode.INPUT, "deal.leg_differs")
    assert refusal(table.show("bond.leg", "--terms", table.folder / "deal.terms")) == (
        ExitCode.INPUT,
        "deal.leg_differs",
    )
    assert not (table.folder / "bond.signed").exists()


def test_nobody_signs_who_relies_on_a_leg_that_the_terms_do_not_commit_to(table: Table) -> None:
    shown = table.write("shown.leg", _leg(CHANNEL, 10, [BANK, BROKER]))  # another salt: of other terms
    relying = ("--relies-on", str(shown))
    assert refusal(table.sign("broker", "cash.leg", *relying)) == (ExitCode.INPUT, "deal.leg_differs")
    assert not (table.folder / "cash.sealed").exists()
    assert table.sign("broker", "cash.leg", "--relies-on", str(table.folder / "bond.leg")).code == 0


def test_what_another_party_signed_is_not_signed_where_it_is_something_else(table: Table) -> None:
    other = agree(NETWORK, [table.leg.public(), table.root.public()], 900_000)
    (table.folder / "bond.signed").write_bytes(leg_transaction(other, table.leg))
    assert refusal(table.sign("broker", "bond.leg")) == (ExitCode.INPUT, "deal.other_terms")


def test_terms_that_were_tampered_with_are_not_shown_as_terms(table: Table) -> None:
    later = replace(table.agreed.terms, deadline_ms=2_000_000)
    table.write("deal.terms", replace(table.agreed, terms=later))
    assert refusal(table.show("deal.terms")) == (ExitCode.INPUT, "deal.terms_changed")


def test_people_read_what_a_leg_moves_though_no_node_answers(table: Table) -> None:
    shown = table.traco("channel", "deal", "show", table.folder / "bond.leg", "--url", "http://127.0.0.1:9")
    assert (
        f"10 (smallest unit) of {(b'i' * 16).hex()} from {(b'f' * 16).hex()} to {(b'r' * 16).hex()}"
        in shown.out
    )
    terms = table.traco("channel", "deal", "show", table.folder / "deal.terms")
    assert "1970-01-01 00:16:40 UTC" in terms.out
    assert (b"i" * 16).hex() not in terms.out


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"type": "traco.leg/2"}', b'{"type": "traco.leg/1"}', b"\xff", b"[" * 100_000]
)
def test_a_file_that_is_none_of_these_is_named(table: Table, content: bytes) -> None:
    (table.folder / "bond.leg").write_bytes(content)
    assert refusal(table.sign("bank", "bond.leg")) == (ExitCode.INPUT, "deal.file")


def test_what_a_movement_is_said_to_be_for_is_shown_without_what_a_terminal_obeys(table: Table) -> None:
    moved = Movement(b"i" * 16, b"f" * 16, b"r" * 16, 10, b"rent \x1b[2J")
    table.write("bond.leg", draft_leg(NETWORK, CHANNEL, LegContent((moved,)), [BANK]))
    shown = table.traco("channel", "deal", "show", table.folder / "bond.leg", "--url", "http://127.0.0.1:9")
    assert ", for: rent " in shown.out
    assert "\x1b" not in shown.out


def test_terms_are_not_taken_for_a_leg(table: Table) -> None:
    (table.folder / "bond.leg").write_bytes(to_file(table.agreed))
    assert refusal(table.sign("bank", "bond.leg")) == (ExitCode.INPUT, "deal.file")


def test_what_is_neither_a_channel_nor_the_root_is_said(table: Table) -> None:
    draft = ("channel", "deal", "draft", "77", "--move", "a,b,c,1", "--output", table.folder / "x.leg")
    printed = table.traco(*draft, "--as", BANK.hex(), "--keystore", table.folder / "bank.keys", "--json")
    assert refusal(printed) == (ExitCode.INPUT, "channel.id")

"""Upgrades rehearsed on what the first version left on a disk (tests/golden): today's code must go on with it."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.golden import GOLDEN, Golden, Opened, opened
from traco.client.verify import verify
from traco.kernel import protocol
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.kernel.finality import FinalityReceipt, ReceiptInvalid
from traco.kernel.genesis import parse_genesis
from traco.kernel.operations import ScheduleUpgrade, SetParameters
from traco.kernel.protocol import Protocol, protocol_of
from traco.kernel.registry import Registry
from traco.modules.channel.messages import SetSeat
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.queries import GetSeat
from traco.modules.composition import compose
from traco.modules.holding.messages import Transfer
from traco.modules.holding.queries import HoldingQuery
from traco.modules.network.messages import AdmitNode, PromoteNode, ReportReady
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.queries import GetValidators
from traco.node.audit import audit
from traco.node.backup import back_up
from traco.node.directory import LEDGER_FILE, NODE_KEY, OUTBOX_FILE, SEAL_KEY, require_complete
from traco.node.outbox import Outbox
from traco.node.restore import Expected, restore
from traco.node.transfer import export_ledger, import_ledger
from traco.node.verification import verify_quickly
from traco.storage import differences

DAY_MS = 86_400_000
HEIGHT = 85
TRANSACTIONS = 192
MADE = {1: "842a39704b560245fe2f89c23588d92cc2fb459fd4075695ecd19f9fd29d6a7f"}


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    return Golden(1, tmp_path / "golden")


def pay(ledger: Opened, amount: int) -> Any:
    golden = ledger.golden
    return ledger.do(
        "bank-one",
        Transfer(
            golden.party("bank-one"), golden.cash("EUR"), golden.account("bank-one"), golden.account("bank-two"), amount,
            b"after",
        ),
    )  # fmt: skip


def balance(ledger: Opened, name: str) -> tuple[int, int]:
    """What is available and what is encumbered in a party's account."""
    query = HoldingQuery(ledger.golden.cash("EUR"), ledger.golden.account(name))
    found = ledger.application.query("holding.get", query)
    return found.available, found.encumbered


def test_golden_directories_are_never_changed() -> None:
    found = {
        int(path.parent.name): sha256(path.read_bytes()).hexdigest() for path in GOLDEN.glob("*/node.tar.xz")
    }
    assert found == MADE


def test_the_first_version_left_a_ledger_that_passes_the_audit(golden: Golden) -> None:
    report = audit(golden.directory)
    assert (report.differences, report.height, report.transactions) == ((), HEIGHT, TRANSACTIONS)


def test_the_first_version_left_a_directory_that_is_complete(golden: Golden) -> None:
    require_complete(golden.directory)
    assert golden.key("seal").public_key.hex() == parse_genesis(golden.genesis).seal.key
    outbox = Outbox(golden.directory / OUTBOX_FILE)
    assert outbox.pending() == []
    outbox.close()


def test_every_hash_of_it_verifies_quickly(golden: Golden) -> None:
    found = verify_quickly(golden.directory / LEDGER_FILE, golden.genesis)
    assert (found.height, found.transactions) == (HEIGHT, TRANSACTIONS)


def test_its_receipts_still_verify(golden: Golden) -> None:
    proofs = {name: verify(receipt, golden.genesis) for name, receipt in golden.receipts.items()}
    assert {name: proof["outcome"] for name, proof in proofs.items()} == {
        "settled": "success", "paid": "success", "refused": "rejected",
    }  # fmt: skip
    assert proofs["refused"]["failure"]["code"] == "holding.insufficient"
    with pytest.raises(ReceiptInvalid):
        verify(golden.receipts["paid"][:-1], golden.genesis)


def test_it_goes_on_with_new_transactions_and_stays_sound(golden: Golden) -> None:
    with opened(golden) as ledger:
        before = balance(ledger, "bank-one"), balance(ledger, "bank-two")
        assert pay(ledger, 7).failure is None
        assert balance(ledger, "bank-one")[0] == before[0][0] - 7
        assert balance(ledger, "bank-two")[0] == before[1][0] + 7
    report = audit(golden.directory)
    assert (report.differences, report.height) == ((), HEIGHT + 1)


def test_what_was_due_falls_due(golden: Golden) -> None:
    with opened(golden) as ledger:
        available, encumbered = balance(ledger, "bank-one")
        assert encumbered == 5_000 + 3_000 + 5_000 + 700 + 300  # three holds, a pledge, a batch
        assert ledger.application.next_due_ms() is not None
        ledger.wait(DAY_MS)
        assert balance(ledger, "bank-one") == (available + 5_000, encumbered - 5_000)
        ledger.wait(DAY_MS)  # the batch
        assert balance(ledger, "bank-one") == (available + 5_300, encumbered - 5_300)
        ledger.wait(30 * DAY_MS)
        assert balance(ledger, "bank-one") == (available + 13_300, 700)
        assert ledger.alarms == []
    assert audit(golden.directory).differences == ()


def test_a_transaction_of_then_is_not_executed_again(golden: Golden) -> None:
    paid = msgspec.msgpack.decode(golden.receipts["paid"], type=FinalityReceipt)
    with opened(golden) as ledger:
        answer = ledger.order(paid.transaction)
    assert (answer.leaf, answer.failure and answer.failure.code) == (-1, "transaction.duplicate")


def test_it_is_backed_up_restored_exported_and_imported(golden: Golden, tmp_path: Path) -> None:
    expected = [Expected(name, receipt) for name, receipt in golden.receipts.items()]
    back_up(golden.directory, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", "full", expected, processes=1)
    export_ledger(tmp_path / "restored", tmp_path / "file")
    import_ledger(tmp_path / "file", tmp_path / "imported", genesis=golden.genesis, processes=1)
    assert differences(golden.directory / LEDGER_FILE, tmp_path / "imported" / LEDGER_FILE) == []
    assert {path.name for path in (tmp_path / "restored").iterdir()} >= {
        "node.json", "node.keys", "fingerprint.keys", "fingerprints.log", "outbox.db",
    }  # fmt: skip


class NextProtocol:
    """The modules of this release, of which the holdings' brings a migration to protocol 3 that only tests have."""

    def __init__(self) -> None:
        self.ran: list[int] = []

    def compose(self) -> Registry:
        registry = compose()
        holding = next(module for module in registry.modules if module.name == "holding")
        holding.migrations = {3: self.migrate}
        return registry

    def migrate(self, context: Any) -> None:
        self.ran.append(context.block.height)


def schedule(golden: Golden, height: int, number: int = 2) -> None:
    """The council decides."""
    with opened(golden) as ledger:
        answer = ledger.do("operator", ScheduleUpgrade((golden.member,), number, height))
        assert answer.failure is None


def upgrade(golden: Golden) -> None:
    """Enter protocol 2 with block ``HEIGHT + 2``."""
    schedule(golden, HEIGHT + 2)
    with opened(golden) as ledger:
        assert pay(ledger, 1).failure is None
        assert protocol_of(ledger.application.state) == Protocol(2, 0, 0)


def admission(golden: Golden) -> AdmitNode:
    """The golden node's admission to the network."""
    node, consensus = golden.key(NODE_KEY).public_key, golden.key(SEAL_KEY).public_key
    return AdmitNode((golden.member,), golden.member, node, consensus, bytes(20), "127.0.0.1:26656")


def test_software_without_the_next_protocol_stops_before_its_height_and_says_why(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 1)
    schedule(golden, HEIGHT + 3)
    with opened(golden) as ledger:
        assert pay(ledger, 1).failure is None
        with pytest.raises(Halt, match=f"block {HEIGHT + 3} needs protocol 2; this software has 1 to 1"):
            pay(ledger, 2)
        assert ledger.application.info().height == HEIGHT + 2
    with opened(golden) as again, pytest.raises(Halt, match="Install a release that has it"):
        pay(again, 2)
    assert audit(golden.directory).differences == ()


def test_before_the_upgrade_the_ledger_of_the_first_version_has_no_network(golden: Golden) -> None:
    with opened(golden) as ledger:
        refused = ledger.do("operator", admission(golden)).failure
        assert refused is not None
        assert refused.code == "transaction.unknown_instruction"
        parameters = SetParameters((golden.member,), "network", encode(NetworkParameters()))
        rejected = ledger.do("operator", parameters).failure
        assert rejected is not None
        assert rejected.code == "kernel.parameters_invalid"
        assert ledger.application.query("network.validators", GetValidators()).validators == ()
    assert audit(golden.directory).differences == ()


def test_the_ledger_of_the_first_version_enters_protocol_2_and_goes_on(golden: Golden) -> None:
    schedule(golden, HEIGHT + 3)
    with opened(golden) as ledger:
        assert pay(ledger, 1).failure is None
        assert protocol_of(ledger.application.state) == Protocol(1, 2, HEIGHT + 3)
        assert pay(ledger, 2).failure is None
        assert protocol_of(ledger.application.state) == Protocol(2, 0, 0)
        application = ledger.application
        versions = [
            application.parameters.as_of(application.state, height, NetworkParameters)
            for height in (HEIGHT + 2, HEIGHT + 3)
        ]
        assert versions == [None, NetworkParameters()]
        assert ledger.alarms == []
    report = audit(golden.directory)
    assert (report.differences, report.height) == ((), HEIGHT + 3)
    assert verify(golden.receipts["paid"], golden.genesis)["outcome"] == "success"


def test_after_the_upgrade_nodes_are_admitted_and_promoted(golden: Golden) -> None:
    upgrade(golden)
    message = admission(golden)
    with opened(golden) as ledger:
        assert ledger.do("operator", message).failure is None
        report = ReportReady(golden.member, message.key, ledger.application.info().height)
        assert ledger.do("operator", report).failure is None
        assert ledger.do("operator", PromoteNode((golden.member,), message.key, 1)).failure is None
        answer = ledger.application.query("network.validators", GetValidators())
        assert [record.key for record in answer.validators] == [message.key]
        assert ledger.alarms == []
    assert audit(golden.directory).differences == ()


def test_an_upgraded_ledger_is_backed_up_exported_and_imported(golden: Golden, tmp_path: Path) -> None:
    upgrade(golden)
    expected = [Expected(name, receipt) for name, receipt in golden.receipts.items()]
    back_up(golden.directory, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", "full", expected, processes=1)
    export_ledger(tmp_path / "restored", tmp_path / "file")
    import_ledger(tmp_path / "file", tmp_path / "imported", genesis=golden.genesis, processes=1)
    assert differences(golden.directory / LEDGER_FILE, tmp_path / "imported" / LEDGER_FILE) == []


def test_the_ledger_of_the_first_version_enters_protocol_3_and_has_channels(golden: Golden) -> None:
    upgrade(golden)
    node = golden.key(NODE_KEY).public_key
    seat = SetSeat(golden.member, node, sha256(b"box").digest(), b"", "")
    schedule(golden, HEIGHT + 5, 3)
    with opened(golden) as ledger:
        early = ledger.do("operator", seat).failure
        assert early is not None
        assert early.code == "transaction.unknown_instruction"
        assert ledger.do("operator", seat).failure is None
        application = ledger.application
        assert protocol_of(application.state) == Protocol(3, 0, 0)
        assert application.parameters.get(application.state, ChannelParameters) == ChannelParameters()
        assert application.query("channel.seat", GetSeat(golden.member)).node == node
        assert ledger.alarms == []
    report = audit(golden.directory)
    assert (report.differences, report.height) == ((), HEIGHT + 5)


def test_software_with_the_next_protocol_migrates_at_its_height_and_goes_on(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(golden)
    schedule(golden, HEIGHT + 5, 3)
    with opened(golden) as ledger:
        pay(ledger, 4)
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 3)
    upgraded = NextProtocol()
    with opened(golden, upgraded.compose) as ledger:
        assert protocol_of(ledger.application.state).current == 2
        assert pay(ledger, 2).failure is None
        assert upgraded.ran == [HEIGHT + 5]
        assert protocol_of(ledger.application.state).current == 3
        assert pay(ledger, 3).failure is None
        assert ledger.alarms == []
    monkeypatch.setattr("traco.node.audit.compose", upgraded.compose)
    report = audit(golden.directory)
    assert (report.differences, report.height) == ((), HEIGHT + 6)


def test_the_old_software_does_not_open_what_the_new_one_has_upgraded(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(golden)
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 1)
    with opened(golden) as ledger, pytest.raises(Halt, match="needs protocol 2"):
        pay(ledger, 3)

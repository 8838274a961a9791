"""Today's node on what the first version left on a disk: the real processes, its configuration, its keys."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.golden import PASSPHRASE, Golden
from support.running import Running, free_port
from traco.client.results import TransactionFailed
from traco.client.sdk import LedgerClient
from traco.client.verify import verify
from traco.kernel.finality import verify_receipt
from traco.kernel.operations import ScheduleUpgrade
from traco.modules.holding.messages import Transfer
from traco.modules.network.messages import AdmitNode
from traco.node.audit import audit
from traco.node.directory import NODE_KEY, SEAL_KEY


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    return Golden(1, tmp_path / "golden")


@pytest.fixture
def node(golden: Golden) -> Iterator[Running]:
    port, path = free_port(), golden.directory / "node.json"
    settings = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**settings, "port": port}))
    with Running(golden.directory, f"http://127.0.0.1:{port}", PASSPHRASE) as running:
        running.ready()
        yield running


def test_todays_node_goes_on_where_the_first_version_stopped(node: Running, golden: Golden) -> None:
    paid = verify_receipt(golden.receipts["paid"], golden.genesis).identity
    with LedgerClient(node.url) as client:
        assert client.status().height >= 85  # what fell due since then has been done
        assert verify(client.receipt(paid), golden.genesis)["outcome"] == "success"
        one, two = golden.account("bank-one"), golden.account("bank-two")
        party = client.party(golden.party("bank-one"), golden.signer("bank-one"))
        result = party.transact(Transfer(party.id, golden.cash("EUR"), one, two, 5, b"years later"))
        proof = verify(client.receipt(result.identity), golden.genesis)
        assert (proof["outcome"], proof["height"]) == ("success", result.height)
    node.process.terminate()
    assert node.ends() == 0
    assert audit(golden.directory).differences == ()


def test_the_council_has_the_running_node_enter_protocol_2_and_admits_it(
    node: Running, golden: Golden
) -> None:
    key, consensus = golden.key(NODE_KEY).public_key, golden.key(SEAL_KEY).public_key
    admission = AdmitNode((golden.member,), golden.member, key, consensus, bytes(20), "127.0.0.1:26656")
    with LedgerClient(node.url) as client:
        operator = client.party(golden.member, golden.signer("operator"))
        with pytest.raises(TransactionFailed) as early:
            operator.transact(admission)
        assert early.value.code == "transaction.unknown_instruction"
        last = client.status().height + 2  # block that decides, block that upgrades
        operator.transact(ScheduleUpgrade((golden.member,), 2, last))
        result = operator.transact(admission)
        assert result.height == last
        proof = verify(client.receipt(result.identity), golden.genesis)
        assert [item["type"] for item in proof["events"]] == ["network.node_admitted/1"]
        assert [row["key"] for row in client.rows("network.nodes")] == [key.hex()]
    node.process.terminate()
    assert node.ends() == 0
    assert audit(golden.directory).differences == ()

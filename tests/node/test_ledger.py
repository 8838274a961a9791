"""The ledger part of a node: an alarm is counted, and told on behalf of the request that brought its transaction."""

from pathlib import Path

from support.api import PASSPHRASE, make_directory
from traco.client.keystore import KeyStore
from traco.node.directory import KEYS_FILE, NODE_KEY, SEAL_KEY, founding_member
from traco.node.ledger import LedgerNode
from traco.node.logs import REQUEST
from traco.node.submission import Entry, Result, Status


def test_an_alarm_is_told_on_behalf_of_its_request_and_counted(tmp_path: Path) -> None:
    genesis, told = make_directory(tmp_path / "node"), list[tuple[str, str]]()
    with KeyStore.open(tmp_path / "node" / KEYS_FILE, PASSPHRASE) as keys:
        node = LedgerNode(
            tmp_path / "node", genesis, founding_member(genesis), keys.signer(NODE_KEY), keys.signer(SEAL_KEY),
            lambda kind, identity, error: told.append((kind, REQUEST.get())),
        )  # fmt: skip
    try:
        result = Result(bytes(32), Status.RECEIVED, -1, -1, None)
        node.gateway._received[bytes(32)] = Entry(result, 0.0, "the-request")
        node._alarmed("kernel.fault", bytes(32), ValueError("planted"))
        node._alarmed("kernel.fault", b"\x01" * 32, ValueError("planted"))
        assert told == [("kernel.fault", "the-request"), ("kernel.fault", "")]
        assert node.figures().alarms == (("kernel.fault", 2),)
        assert REQUEST.get() == ""
    finally:
        node.stop()

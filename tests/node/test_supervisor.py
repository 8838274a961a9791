"""What would end the processes of a node is found before they start, and said in the log of the node that it concerns."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import PASSPHRASE, make_directory
from support.running import free_port
from traco.kernel.errors import LedgerError
from traco.node import supervisor
from traco.node.configuration import EngineConfig, MetricsConfig, NodeConfig, ProjectionsConfig, TlsConfig
from traco.node.logs import NodeLog
from traco.node.supervisor import listening_socket, report_alarm, run_node
from traco.storage import DirectoryLock, StoreLocked


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A node's directory; the log is put back, and nothing may be started."""

    def never(*_: Any) -> None:
        raise AssertionError("the ledger was opened")

    monkeypatch.setattr(supervisor, "LedgerNode", never)
    monkeypatch.setattr(supervisor, "name_process", lambda _: None)
    monkeypatch.setattr(os, "umask", lambda _: 0)
    make_directory(tmp_path / "node")
    root, ours = logging.getLogger(), logging.getLogger("traco")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield tmp_path / "node"
    for handler in root.handlers:
        if isinstance(handler, NodeLog):
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def refused(node: Path, **config: Any) -> str:
    with pytest.raises(LedgerError) as caught:
        run_node(node, PASSPHRASE, NodeConfig(**{"port": free_port(), **config}))
    return str(getattr(caught.value, "code", ""))


def test_a_certificate_that_is_not_there_is_said_before_anything_starts(node: Path) -> None:
    assert refused(node, tls=TlsConfig(certificate="none.pem", key="none.key")) == "node.tls_unusable"
    assert (node / "node.log").read_text().count("CRITICAL traco.node the node stops: node.tls_unusable") == 1


def test_authorities_that_are_not_there_are_said_before_anything_starts(node: Path) -> None:
    assert refused(node, engine=EngineConfig(ca_file="none.pem")) == "node.tls_unusable"


def test_a_database_that_no_projector_can_use_is_said_before_anything_starts(node: Path) -> None:
    assert refused(node, projections=ProjectionsConfig(url="mysql://host/name"))
    assert "mysql" in (node / "node.log").read_text()


def test_a_port_for_metrics_that_is_taken_is_said_before_anything_starts(node: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(node, metrics=MetricsConfig(port=port)) == "node.port_in_use"


def test_a_second_start_writes_nothing_into_the_log_of_the_first(node: Path) -> None:
    with DirectoryLock(node), pytest.raises(StoreLocked):
        run_node(node, PASSPHRASE, NodeConfig())
    assert not (node / "node.log").exists()


def test_a_socket_is_one_for_either_kind_of_address() -> None:
    with listening_socket("127.0.0.1", 0) as four:
        assert four.family is socket.AF_INET
    with listening_socket("::1", 0) as six:
        assert six.family is socket.AF_INET6


def test_an_alarm_is_an_error_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "traco.node"):
        report_alarm("kernel.fault", bytes(32), LookupError("planted"))
    (entry,) = caplog.records
    assert entry.getMessage() == f"ALARM kernel.fault in transaction {'00' * 32}: LookupError('planted')"
    assert entry.exc_info is not None

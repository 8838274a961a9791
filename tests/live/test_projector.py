"""The projector beside a running node: it writes, comes back when it is killed, and never stops the ledger."""

import os
import signal
from pathlib import Path

import httpx

from support.running import Running, make, wait_until
from traco.client.wire import connection_options
from traco.projections.files import SQLITE_FILE


def founder_is_projected(url: str) -> bool:
    answer = httpx.get(f"{url}/v1/reports/positions", timeout=60, **connection_options(url))
    return answer.status_code == 200


def test_a_killed_projector_comes_back_and_the_node_stays(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    with Running(directory, make(directory)) as node:
        node.ready()
        wait_until(lambda: founder_is_projected(node.url))
        killed, api = node.child("traco-projector"), node.child("traco-api")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: "the projector ended with code -9; starting it again in 1 s" in node.log())
        wait_until(lambda: node.child("traco-projector") != killed)
        assert node.child("traco-api") == api
        node.process.terminate()
        assert node.ends() == 0
        assert not [word for word in ("Traceback", "Warning") if word in node.said() + node.log()]


def test_projections_that_cannot_be_used_are_told_in_the_log_and_the_node_runs(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    url = make(directory)
    (directory / SQLITE_FILE).write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with Running(directory, url) as node:
        node.ready()
        wait_until(lambda: "the projector ends: projections.database_failed" in node.log())
        assert (
            httpx.get(f"{url}/v1/reports/positions", timeout=60, **connection_options(url)).json()["code"]
            == "projections.database_failed"
        )
        assert node.ready().status_code == 200

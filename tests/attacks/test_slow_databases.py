"""A database of projections that hangs: reports wait for it, and nothing else does."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import WholeNode, whole_node
from traco.node.api.reports import Reports

WAITING = 40  # more than there are threads for anything else


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WholeNode]:
    with whole_node(tmp_path / "node") as opened:
        yield opened


def test_blocks_are_read_while_reports_hang(node: WholeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, ended, given_up = threading.Semaphore(0), threading.Event(), threading.Event()

    def hang(*_: Any) -> dict[str, Any]:
        hanging.release()
        if not ended.wait(20):
            given_up.set()
        return {}

    monkeypatch.setattr(Reports, "positions", hang)
    asking = [
        threading.Thread(target=node.client.get, args=("/v1/reports/positions",)) for _ in range(WAITING)
    ]
    for thread in asking:
        thread.start()
    try:
        assert hanging.acquire(timeout=120)
        assert node.client.get("/v1/blocks?limit=1").status_code == 200
        assert not given_up.is_set()
    finally:
        ended.set()
        for thread in asking:
            thread.join()

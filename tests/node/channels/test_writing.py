"""A process that writes a snapshot says why it came to nothing."""

import asyncio
from pathlib import Path

import pytest

from traco.channels.seat.archive import Order
from traco.node.channels.writing import write_beside
from traco.storage.copying.form import Terms


def test_a_snapshot_of_a_replica_that_is_gone_is_not_made_and_the_reason_is_said(tmp_path: Path) -> None:
    order = Order(tmp_path / "gone.db", tmp_path / "aside.db", 7, Terms(3, 600_000), tmp_path / "snapshots")
    with pytest.raises(OSError, match=r"gone\.db"):
        asyncio.run(write_beside(order))
    assert list(tmp_path.glob("snapshots/*")) == []

"""A node comes to another state than the network: it stops, the commands name what differs and mend it, and it follows again."""

from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from support.command_line import CommandLine
from torture_cluster.journal import Payment
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS
from torture_cluster.scene import Scene
from torture_cluster.sites import Site
from traco.kernel.codec import encode
from traco.modules.holding.state import HOLDINGS
from traco.node.directory import LEDGER_FILE
from traco.storage import SnapshotReader

MISCOUNTS = "diverge=0"  # every payment moves one unit less than was paid
DIVERGED = "engine.diverged: "


@pytest.fixture
def traco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", monkeypatch, capfd)


def diverged(scene: Scene, site: Site) -> None:
    """The node ends by itself, and says why and what to do."""
    scene.network.await_true(
        lambda: not site.is_started, RECOVERY_SECONDS, lambda: f"{site.name} goes on at {site.height()}"
    )
    assert site.await_end() != 0
    for said in (site.log(), site.out.read_text()):
        assert DIVERGED in said
        assert "`traco node rollback`" in said


def compared(traco: CommandLine, directory: Path, other: Path) -> Any:
    """Where two ledgers part; the command says it in words, too."""
    printed = traco("node", "compare", directory, other, "--json")
    assert (printed.code, printed.problem["code"]) == (1, "compare.differ")
    found = printed.document
    first = found["keys"][0]
    assert f"first in module {first['module']}, key {first['key']}" in printed.problem["detail"]
    return found


def rolled_back(traco: CommandLine, site: Site) -> int:
    printed = traco("node", "rollback", site.directory, "--json")
    assert printed.code == 0, printed.err
    return int(printed.document["height"])


def follows(scene: Scene, site: Site) -> None:
    """It runs without what was wrong, and all of its blocks are those of the others."""
    scene.comparison.forget(site)
    site.start()
    site.await_ready(START_SECONDS)
    scene.settle()


@pytest.mark.slow
def test_a_node_with_a_wrong_state_stops_and_goes_back_a_block_and_follows_when_the_cause_is_mended(
    scene: Scene, traco: CommandLine, tmp_path: Path
) -> None:
    wrong, peer, *_ = scene.honest
    others = scene.others([wrong])
    scene.restart(wrong, MISCOUNTS)
    height = scene.load.submit(peer, scene.load.make(Payment(9, 17, 5)))
    diverged(scene, wrong)
    assert wrong.height() == height
    scene.goes_on(others)

    found = compared(traco, wrong.directory, peer.directory)
    accounts = [scene.load.books.accounts[number].hex() for number in (9, 17)]
    assert (found["height"], found["equal_up_to"], found["part"]) == (height, height - 1, "outcome")
    assert {key["module"] for key in found["keys"]} == {"holding"}
    assert all(any(account in key["key"] for key in found["keys"]) for account in accounts)
    file = tmp_path / "hashes"
    assert traco("node", "state-hashes", peer.directory, "--height", str(height), "-o", file).code == 0
    assert compared(traco, wrong.directory, file)["keys"][0]["key"] == found["keys"][0]["key"]

    assert rolled_back(traco, wrong) == height - 1
    follows(scene, wrong)
    assert traco("node", "compare", wrong.directory, peer.directory, "--json").document["height"] is None


def spoil(site: Site, key: bytes) -> None:
    """What a bad disk may do: a holding in the tables has one unit more, and all hashes are as they were."""
    path = site.directory / LEDGER_FILE
    snapshot = SnapshotReader(path).snapshot()
    assert snapshot is not None
    with snapshot:
        value = snapshot.get(key)
    assert value is not None
    held = HOLDINGS.codec.decode(value)
    other = encode(msgspec.structs.replace(held, available=held.available + 1))
    with apsw.Connection(str(path)) as connection:
        rows: Any = connection.execute("SELECT height, changes FROM delta").fetchall()
        for height, changes in rows:
            spoiled = changes.replace(key + value, key + other)
            connection.execute("UPDATE delta SET changes = ? WHERE height = ?", (spoiled, height))
        connection.execute("UPDATE state SET value = ? WHERE key = ? AND value = ?", (other, key, value))


@pytest.mark.slow
def test_a_value_that_was_spoiled_earlier_is_right_again_when_the_block_that_showed_it_is_taken_back(
    scene: Scene, traco: CommandLine
) -> None:
    books = scene.load.books
    wrong, peer, *_ = scene.honest
    wrong.terminate()
    wrong.await_end()
    spoil(wrong, HOLDINGS.key(books.instrument, books.accounts[10]))
    wrong.start()
    wrong.await_ready(START_SECONDS)
    scene.network.await_recovered([wrong])  # blocks after the wrong value, which show nothing
    height = scene.load.submit(peer, scene.load.make(Payment(10, 18, 5)))
    diverged(scene, wrong)
    found = compared(traco, wrong.directory, peer.directory)
    assert (wrong.height(), found["height"], len(found["keys"])) == (height, height, 1)
    assert books.accounts[10].hex() in found["keys"][0]["key"]
    assert rolled_back(traco, wrong) == height - 1
    follows(scene, wrong)
    scene.load.pay_through(wrong)
    scene.settle()

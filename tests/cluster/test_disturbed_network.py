"""A network under load, disturbed: what ``make torture-cluster`` does for longer and in more ways."""

from collections.abc import Iterator

import pytest

from torture.report import Counts
from torture_cluster.endurance import check_proofs, opened_scene
from torture_cluster.faults_disk import torn_engine_log, torn_ledger_log
from torture_cluster.faults_lies import propose
from torture_cluster.faults_members import unknown_node
from torture_cluster.faults_processes import kill_isolated
from torture_cluster.faults_wires import part_in_halves
from torture_cluster.network import found_network
from torture_cluster.scene import Scene
from traco.engine.cometbft.install import InstalledEngine


@pytest.fixture(scope="module")
def loaded(engine: InstalledEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Four nodes, paid through by all their organisations."""
    with opened_scene(found_network(tmp_path_factory.mktemp("disturbed")), "disturbed", Counts()) as scene:
        yield scene


def test_halves_that_cannot_see_each_other_decide_nothing_and_go_on_together(loaded: Scene) -> None:
    part_in_halves(loaded)
    loaded.settle()


def test_what_a_node_acknowledged_alone_and_before_it_was_killed_is_ordered_later(loaded: Scene) -> None:
    kill_isolated(loaded)
    loaded.settle()


def test_proposer_of_garbage_stops_nobody(loaded: Scene) -> None:
    propose("garbage")(loaded)
    loaded.settle()


def test_node_that_nobody_admitted_stays_outside(loaded: Scene) -> None:
    unknown_node(loaded)
    loaded.settle()


def test_torn_log_of_an_engine_does_not_keep_its_node_from_following(loaded: Scene) -> None:
    torn_engine_log(loaded)
    loaded.settle()


def test_torn_log_of_a_ledger_loses_blocks_that_the_engine_hands_over_again(loaded: Scene) -> None:
    torn_ledger_log(loaded)
    loaded.settle()
    assert loaded.counts["work: blocks torn off a ledger"] > 0


def test_in_the_end_money_is_conserved_promises_are_kept_and_proofs_hold(loaded: Scene) -> None:
    with loaded.load.paused():
        loaded.conclude()
        check_proofs(loaded)

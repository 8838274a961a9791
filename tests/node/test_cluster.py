"""What the engine of a node is told before there is one, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.ledger import Key, Ledger
from support.replicas import ANN, MEMBERS, consortium_genesis
from traco.engine.cometbft.home import create_keys
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import SetParameters
from traco.modules.composition import compose
from traco.modules.network.parameters import NetworkParameters
from traco.modules.party.genesis import founding_member_id
from traco.node import cluster as subject
from traco.node.cluster import Cluster, engine_terms
from traco.node.configuration import NodeConfig
from traco.node.directory import ENGINE_FOLDER

COUNCIL = MEMBERS[:3]


class Node:
    """A node of a cluster whose engine is not started."""

    def __init__(self, directory: Path) -> None:
        founding = consortium_genesis()
        create_keys(directory / ENGINE_FOLDER)
        self.ledger = Ledger(founding, compose(), ANN, Key("ann node"))
        pool: Any = SimpleNamespace()
        store: Any = SimpleNamespace(first_height=0)
        self.cluster = Cluster(directory, founding, self.ledger.application, pool, pool, NodeConfig(), store)

    def agree(self, **changes: int) -> None:
        """The council changes the engine's pace."""
        parties = tuple(sorted(founding_member_id(Key(name).public) for name in COUNCIL))
        record = encode(NetworkParameters(**changes))
        self.ledger.succeed(SetParameters(parties, "network", record), keys=[Key(name) for name in COUNCIL])


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(subject, "find_engine", lambda program: SimpleNamespace(program=Path("cometbft")))
    made = Node(tmp_path)
    yield made
    made.cluster.close()


def test_the_engine_takes_envelopes_as_long_as_founded_whatever_limit_was_in_force_when_it_started() -> None:
    agreed = NetworkParameters(empty_block_ms=4_000)
    terms = engine_terms(agreed, KernelParameters(max_envelope_bytes=2_097_152))
    assert (terms.max_envelope_bytes, terms.empty_block_ms) == (2_097_152, 4_000)


def test_an_engine_runs_by_the_parameters_of_its_start_and_that_is_said_until_it_starts_again(
    node: Node,
) -> None:
    node.cluster._write_home()
    assert not node.cluster.figures().settings_differ
    node.agree(empty_block_ms=500)
    assert node.cluster.figures().settings_differ
    node.cluster._write_home()
    assert not node.cluster.figures().settings_differ


def test_what_has_nothing_to_do_with_the_engine_wants_no_new_start(node: Node) -> None:
    node.cluster._write_home()
    node.agree(max_nodes=7)
    assert not node.cluster.figures().settings_differ


@pytest.mark.parametrize(("agreed", "expected"), [(500, 3_000), (60_000, 60_000)])
def test_until_all_have_started_again_the_next_block_may_take_as_long_as_either_says(
    node: Node, agreed: int, expected: int
) -> None:
    node.cluster._write_home()
    node.agree(empty_block_ms=agreed)
    assert node.cluster.figures().empty_block_ms == expected


def test_a_snapshot_that_was_not_made_is_said(node: Node) -> None:
    assert node.cluster.figures().snapshot_problem == ""
    node.cluster._joining.taker.problem = "no snapshot was taken: the disk is full"
    assert node.cluster.figures().snapshot_problem == "no snapshot was taken: the disk is full"

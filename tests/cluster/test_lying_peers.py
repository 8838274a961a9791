"""Nodes join by a snapshot while one of the peers and gateways that they ask lies: it is refused and named, and others are asked."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from torture.report import Counts
from torture_cluster.journal import Journal
from torture_cluster.load import Load
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS, Network, found_network
from torture_cluster.sites import Site
from torture_cluster.wires import between
from traco.engine.cometbft.install import InstalledEngine
from traco.node.directory import LEDGER_FILE, NODE_LOG, SNAPSHOTS_FOLDER
from traco.storage import SnapshotReader
from traco.storage.copying.shelf import Shelf

INTERVAL = 10
JOINING = {"TRACO_NODE_ENGINE__STATE_SYNC": "true"}
VALIDATORS = 3
JOINERS = 3
LONGEST_SECONDS = 300.0  # the engine waits two minutes for a snapshot that others have thrown away meanwhile


class Place:
    """A network of three nodes with snapshots, one of which lies; and nodes that have not joined yet."""

    def __init__(self, network: Network) -> None:
        self.network = network
        founders = network.sites[:VALIDATORS]
        # gateways are asked in the order of their peers' ids: this one first
        self.liar = min(founders, key=lambda site: site.card.statement.peer)
        self.honest = [site for site in founders if site is not self.liar]
        self.joiners = list(network.sites[VALIDATORS:])

    def lies(self, what: str) -> None:
        """From now on the liar tells these lies."""
        self.liar.terminate()
        self.liar.await_end()
        self.liar.start(what)
        self.liar.await_ready(START_SECONDS)
        self.network.await_recovered([*self.honest, self.liar])

    @contextmanager
    def liar_alone(self, joiner: Site) -> Iterator[None]:
        """The joiner's engine reaches none but the liar's; gateways are reached all the same."""
        apart = between([[joiner.name], [site.name for site in self.honest]])
        self.network.wires.hold(apart)
        try:
            yield
        finally:
            self.network.wires.heal()

    def says(self, site: Site, *texts: str) -> None:
        """A line in the log of the node, or of its engine, has all of this."""
        self.network.await_true(
            lambda: any(all(text in line for text in texts) for line in logged(site)), RECOVERY_SECONDS,
            lambda: f"{site.name} does not say {texts}",
        )  # fmt: skip

    def joined(self, joiner: Site) -> None:
        """It has begun with a snapshot, and follows the honest nodes with the same blocks. Then it has done its part."""
        self.network.await_true(
            lambda: first_height(joiner) > 0, LONGEST_SECONDS, lambda: f"{joiner.name} got no snapshot"
        )
        first = first_height(joiner)
        self.network.await_recovered([*self.honest, joiner])
        newest = min(self.honest[0].height(), joiner.height())
        wanted = [block.app_hash for block in self.honest[0].blocks(first, newest - first)]
        assert first % INTERVAL == 0
        assert wanted
        assert [block.app_hash for block in joiner.blocks(first, newest - first)] == wanted
        joiner.kill()  # else it would be a gateway for the next one, and perhaps be asked before the liar


def first_height(site: Site) -> int:
    snapshot = SnapshotReader(site.directory / LEDGER_FILE).snapshot()
    if snapshot is None:
        return 0
    with snapshot:
        return snapshot.first_height


def logged(site: Site) -> list[str]:
    paths = [site.directory / NODE_LOG, site.directory / "engine.log"]
    return [line for path in paths if path.exists() for line in path.read_text(errors="replace").splitlines()]


def has_snapshot(site: Site) -> bool:
    return any(height + 2 <= site.height() for height in Shelf(site.directory / SNAPSHOTS_FOLDER).heights())


@pytest.fixture(scope="module")
def place(engine: InstalledEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = found_network(
        tmp_path_factory.mktemp("network"), VALIDATORS, JOINERS,
        engine={"snapshot_interval_blocks": INTERVAL},
    )  # fmt: skip
    with made as network, Journal(network.folder / "journal.jsonl") as journal:
        founders = network.sites[:VALIDATORS]
        network.start(founders)
        load = Load(network, journal, Counts(), "lies")
        for site in founders:
            load.submit(site, load.books.sign(site, load.books.opening(site)))
        network.await_true(lambda: all(map(has_snapshot, founders)), RECOVERY_SECONDS, lambda: "no snapshots")
        yield Place(network)


@pytest.mark.slow
def test_a_forged_head_a_forged_seal_and_other_validators_are_refused_and_whoever_sent_them_is_named(
    place: Place,
) -> None:
    liar, joiner = place.liar, place.joiners[0]
    place.lies("snapshot=head,evidence=forged,relayed=validators")
    with place.liar_alone(joiner):
        joiner.start(**JOINING)
        place.says(joiner, "is refused: snapshot.other_state")
        place.says(joiner, "Snapshot sender rejected", f"peer={liar.card.statement.peer}")
    place.joined(joiner)
    place.says(joiner, f"{liar.url} gave a seal that the founding validators do not vouch for")
    place.says(joiner, f"{liar.url} gives other validators for")


@pytest.mark.slow
def test_changed_pieces_are_refused_and_their_sender_named_and_they_come_from_another(place: Place) -> None:
    liar, joiner = place.liar, place.joiners[1]
    place.lies("snapshot=pieces,relayed=consensus_params")
    with place.liar_alone(joiner):
        joiner.start(**JOINING)
        place.says(joiner, f"peer {liar.card.statement.peer} sent a wrong piece")
    place.joined(joiner)
    place.says(joiner, f"{liar.url} gives other consensus_params for")


@pytest.mark.slow
def test_a_gateway_with_changed_headers_is_named_and_the_node_joins_all_the_same(place: Place) -> None:
    liar, joiner = place.liar, place.joiners[2]
    place.lies("relayed=commit")
    joiner.start(**JOINING)
    place.joined(joiner)
    place.says(joiner, f"{liar.url} gives a commit for", "light.header")

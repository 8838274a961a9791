"""Ten years later, by every clock that nodes and engines read: nothing stops because a date has passed."""

import time

import pytest

from torture_cluster.builds import clock_shifted, needs_go
from torture_cluster.faults_lies import PROGRAM_VARIABLE
from torture_cluster.journal import Payment
from torture_cluster.network import START_SECONDS
from torture_cluster.scene import Scene
from torture_cluster.sites import Site
from traco.client.building import identity_of
from traco.client.sdk import LedgerClient
from traco.kernel.finality import verify_receipt
from traco.kernel.genesis import write_genesis

TEN_YEARS_SECONDS = 10 * 365 * 24 * 3_600
NINE_YEARS_MS = 9 * 365 * 24 * 3_600 * 1_000


def paid(scene: Scene, site: Site) -> tuple[bytes, int]:
    """The id of a payment that became final at a gateway, and its height."""
    raw = scene.load.make(Payment(0, 9, 1))
    return identity_of(raw), scene.load.submit(site, raw)


def receipt(scene: Scene, site: Site, identity: bytes) -> bytes:
    with LedgerClient(site.url, scene.load.books.network) as client:
        return client.receipt(identity)


@pytest.mark.slow
@pytest.mark.skipif(bool(needs_go()), reason=needs_go() or "Go is there")
def test_a_network_goes_on_ten_years_later_with_the_same_keys_and_receipts(scene: Scene) -> None:
    first, last = scene.honest[0], scene.honest[-1]
    early, _ = paid(scene, first)
    old = receipt(scene, first, early)
    program = clock_shifted(TEN_YEARS_SECONDS)
    for site in scene.honest:
        site.terminate()
    for site in scene.honest:
        site.await_end()
    for site in scene.honest:
        site.start(f"clock={TEN_YEARS_SECONDS}", **{PROGRAM_VARIABLE: str(program)})
    for site in scene.honest:
        site.await_ready(START_SECONDS)

    def is_later() -> bool:
        return first.blocks(first.height() - 1)[-1].time_ms > time.time_ns() // 1_000_000 + NINE_YEARS_MS

    scene.network.await_true(is_later, START_SECONDS, lambda: "block time is not ten years later")
    scene.load.books.ahead_ms = TEN_YEARS_SECONDS * 1_000
    late, height = paid(scene, last)
    scene.network.await_height(height, scene.honest)
    genesis = write_genesis(scene.network.genesis)
    for raw, identity in (
        (old, early),
        (receipt(scene, last, early), early),
        (receipt(scene, first, late), late),
    ):
        assert verify_receipt(raw, genesis).identity == identity
    scene.comparison.absorb(scene.honest)
    scene.comparison.check_told()

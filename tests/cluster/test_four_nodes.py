"""Four nodes of four organisations, real processes and engines: one ledger, whichever gateway is asked."""

from typing import Any

import httpx

from torture_cluster.journal import Payment
from torture_cluster.load import Books
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS
from torture_cluster.scene import Scene
from torture_cluster.sites import Site
from traco.client.building import identity_of
from traco.client.sdk import LedgerClient
from traco.client.wire import connection_options
from traco.kernel.finality import verify_receipt
from traco.kernel.genesis import write_genesis

HALT_SECONDS = 3.0


def same_everywhere(scene: Scene) -> int:
    """Everybody has the newest block; its height, after all blocks of all nodes were compared and executed again."""
    height = max(site.height() for site in scene.honest)
    scene.network.await_height(height, scene.honest)
    scene.comparison.absorb(scene.honest)
    scene.comparison.check_told()
    return height


def balance(site: Site, books: Books, number: int) -> Any:
    with LedgerClient(site.url, books.network) as client:
        held = client.query("holding.get", instrument=books.instrument, account=books.accounts[number])
    return held["available"]


def readiness(site: Site) -> tuple[int, list[str]]:
    answer = httpx.get(f"{site.url}/v1/health/ready", timeout=60, **connection_options(site.url))
    return answer.status_code, [reason["code"] for reason in answer.json()["reasons"]]


def test_payment_through_each_gateway_is_final_and_the_same_on_all_nodes(scene: Scene) -> None:
    heights = [scene.load.pay_through(site) for site in scene.honest]
    same_everywhere(scene)
    assert heights == sorted(heights)
    scene.comparison.check_money()


def test_every_gateway_tells_of_what_another_one_took(scene: Scene) -> None:
    books = scene.load.books
    first, *others = scene.honest
    before = [balance(site, books, 0) for site in scene.honest]
    height = scene.load.submit(first, scene.load.make(Payment(0, 9, 17)))
    scene.network.await_height(height, scene.honest)
    assert [balance(site, books, 0) for site in (first, *others)] == [each - 17 for each in before]


def test_payment_that_two_gateways_are_given_happens_once(scene: Scene) -> None:
    books = scene.load.books
    one, other = scene.honest[:2]
    raw = scene.load.make(Payment(1, 10, 5))
    before = balance(one, books, 10)
    with LedgerClient(one.url, books.network) as client, LedgerClient(other.url, books.network) as second:
        client.submit(raw, "received")
        results = second.submit(raw), client.submit(raw)
    assert len({(each.status, each.height, each.leaf) for each in results}) == 1
    assert balance(other, books, 10) == before + 5


def test_receipt_from_one_gateway_is_proved_by_the_founding_genesis_alone(scene: Scene) -> None:
    raw = scene.load.make(Payment(16, 0, 1))
    scene.load.submit(scene.honest[2], raw)
    identity = identity_of(raw)
    with LedgerClient(scene.honest[3].url, scene.load.books.network) as client:
        client.wait(identity)
        receipt = client.receipt(identity)
    assert verify_receipt(receipt, write_genesis(scene.network.genesis)).identity == identity


def test_one_of_four_down_and_the_others_go_on_and_it_catches_up(scene: Scene) -> None:
    missing, *others = scene.honest
    scene.kill(missing)
    scene.goes_on(others)
    scene.load.pay_through(others[0])
    scene.network.start([missing])
    scene.settle()
    same_everywhere(scene)


def test_two_of_four_down_and_nothing_moves_or_is_lost_and_the_others_say_so(scene: Scene) -> None:
    books = scene.load.books
    one, other, *missing = scene.honest
    scene.kill(*missing)
    raw = scene.load.make(Payment(2, 20, 3))
    with LedgerClient(one.url, books.network) as client:
        acknowledged = client.submit(raw, "received")
    scene.halts([one, other], HALT_SECONDS)
    scene.network.await_true(
        lambda: readiness(other) == (503, ["engine.no_peers"]), RECOVERY_SECONDS, lambda: f"{readiness(other)}"
    )  # fmt: skip
    scene.kill(one)  # what it acknowledged is in its outbox, and nowhere else that is sure
    scene.network.start([*missing, one])
    with LedgerClient(other.url, books.network) as client:
        result = client.wait(identity_of(raw), timeout=START_SECONDS)
    assert (acknowledged.status, result.status) == ("received", "final")
    scene.settle()


def test_killed_application_and_killed_engine_come_back_by_themselves(scene: Scene) -> None:
    first, second = scene.honest[:2]
    before = first.ledger(), second.engine()
    assert (first.kill_ledger(), second.kill_engine()) == (True, True)
    scene.network.await_true(
        lambda: first.ledger() not in (None, before[0]) and second.engine() not in (None, before[1]),
        RECOVERY_SECONDS, lambda: "they stay dead",
    )  # fmt: skip
    scene.settle()
    same_everywhere(scene)


def test_idle_network_makes_a_block_now_and_then_and_its_root_stays(scene: Scene) -> None:
    site = scene.honest[0]
    same_everywhere(scene)
    blocks = site.blocks(site.height() - 1)
    scene.network.await_height(site.height() + 2, [site])
    assert {block.app_hash for block in site.blocks(blocks[-1].height - 1)} == {blocks[-1].app_hash}


def test_all_killed_at_once_go_on_where_they_were(scene: Scene) -> None:
    height = same_everywhere(scene)
    scene.kill(*scene.honest)
    scene.network.start()
    scene.settle()
    assert same_everywhere(scene) > height


def test_stopped_in_order_all_end_well_with_the_same_ledger(scene: Scene) -> None:
    same_everywhere(scene)
    for site in scene.honest:
        site.terminate()
    codes = [site.await_end() for site in scene.honest]
    scene.comparison.absorb(scene.honest)
    scene.network.start()
    assert codes == [0, 0, 0, 0]
    scene.settle()

"""Payloads that are lost, withheld or wrong: every member gets them in the end, or the entry becomes void, loudly."""

from typing import Any

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Fetch, Found, Hold, Refusal
from traco.modules.channel.entries import Batch, Voided
from traco.modules.channel.events import CustodyFailed, MissingReported, Supplied
from traco.modules.channel.messages import Supply
from traco.modules.channel.parts import Limits, Terms

LIMITS = Limits(answer_ms=60_000)


def three_and_a_vault(sites: Sites) -> Terms:
    """Of ``a``, ``b`` and ``c`` one may be faulty; ``d`` is the vault."""
    vaults = (sites.ids["d"],)
    return sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults, limits=LIMITS)


async def filled(sites: Sites, terms: Terms) -> Purse:
    """Money in a new channel."""
    purse = Purse(sites, await sites.opened(terms))
    await purse.fill("a", "b")
    return purse


def test_a_payload_that_one_member_has_not_is_fetched(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites.cut.add(("a", "b"))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.until(lambda: sites.has_confirmed(purse.channel, "a", "b", "c"))
        assert sites.events(MissingReported) == []

    run(scene())


def test_a_payload_that_all_but_one_custodian_have_lost_is_fetched_there(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b", "c", "d", faults=1, policy=3, custody=2))
        sites["b"].custody.forgets = sites["d"].custody.forgets = True
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("c", purse.channel, paid) == "executed")
        sites["a"].stop()
        await sites.until(lambda: purse.is_confirmed(paid, at="bcd"))
        assert sites.has_confirmed(purse.channel, "b", "c", "d")

    run(scene())


def test_a_payload_lost_at_a_vault_and_at_a_member_is_fetched_from_another_member(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites["b"].custody.forgets = sites["d"].custody.forgets = True
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert sites.has_confirmed(purse.channel, "a", "b", "c")

    run(scene())


def wrong_bytes(request: Any, answer: Any) -> Any:
    return Found(b"something else") if isinstance(request, Fetch) else answer


def nothing(request: Any, answer: Any) -> Any:
    if isinstance(request, Fetch):
        raise TransportFailed("custody.unreachable", "it hangs up")
    return answer


def refusing(request: Any, answer: Any) -> Any:
    return Refusal("custody.not_held") if isinstance(request, Fetch) else answer


@pytest.mark.parametrize("lie", [wrong_bytes, nothing, refusing])
def test_a_custodian_that_does_not_give_what_it_signed_for_holds_up_nobody(sites: Sites, lie: Any) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites.cut.add(("a", "b"))
        sites.lies["c"] = sites.lies["d"] = lie
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert sites.has_confirmed(purse.channel, "a", "b", "c")

    run(scene())


def test_a_slow_custodian_holds_up_no_other_channel(sites: Sites) -> None:
    async def scene() -> None:
        slow = await filled(sites, sites.terms("a", "b", "c"))
        quick = Purse(sites, await sites.opened(sites.terms("a", "b")))
        await quick.fill("a", "b")
        for name in ("a", "c"):
            sites.delays[name] = 3_600
        sites["b"].custody.forgets = True
        waits = slow.pay("b", "a", 1)
        await sites.tick(3)
        sites.delays = {"c": 3_600}
        paid = quick.pay("a", "b", 300)
        await sites.until(lambda: quick.is_confirmed(paid, at="ab"), limit=8)
        assert sites.standing("b", slow.channel, waits) == "received"
        sites.delays.clear()
        await sites.until(lambda: slow.is_confirmed(waits, at="abc"), limit=300)

    run(scene())


def test_silent_custodians_make_a_batch_dearer_and_do_not_stop_it(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        sites.cut.add(("a", "b"))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        shown = sites.entries(purse.channel, Batch)[-1].payload.shown
        assert shown is not None

    run(scene())


def test_a_payload_that_nobody_gives_to_a_member_is_shown_to_it_on_the_root(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites.cut |= {("a", "b"), ("b", "a"), ("b", "c"), ("b", "d")}
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert len(sites.events(Supplied)) == 1
        assert sites.events(CustodyFailed) == []

    run(scene())


def test_a_vault_shows_what_members_do_not(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites.cut |= {("a", "b"), ("b", "a"), ("b", "c"), ("b", "d")}
        sites["a"].withheld = sites["c"].withheld = (Supply,)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        (event,) = sites.events(Supplied)
        assert isinstance(event, Supplied)
        assert event.member == sites.ids["d"]

    run(scene())


def test_a_node_that_was_restarted_shows_what_was_reported_before(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites.cut |= {("a", "b"), ("b", "a"), ("b", "c"), ("b", "d")}
        for name in ("a", "c", "d"):
            sites[name].withheld = (Supply,)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: bool(sites.events(MissingReported)))
        await sites.tick(2)
        sites["c"].withheld = ()
        sites["c"].restart()
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))

    run(scene())


def test_colluding_custodians_are_named_and_business_goes_on_in_the_new_generation(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = True
            sites.cut.add((name, "a"))
        sites["a"].withheld = (Supply,)
        lost = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("a", purse.channel, lost) == "executed")
        assert purse.balances("a", "a", "b") == (700, 1_300)
        await sites.until(lambda: bool(sites.entries(purse.channel, Voided)), after_ms=10_000)
        (failed,) = sites.events(CustodyFailed)
        assert isinstance(failed, CustodyFailed)
        assert sorted(failed.signers) == sorted(sites.ids[name] for name in ("b", "c", "d"))
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = False
        paid = purse.pay("b", "a", 50)
        await sites.until(lambda: purse.is_confirmed(lost, paid, at="abc"))
        assert [purse.balances(name, "a", "b") for name in "abc"] == [(750, 1_250)] * 3
        assert sites.record(purse.channel).generation == 1

    run(scene())


def test_a_sender_that_gives_other_bytes_to_one_member_gets_no_receipt_of_it_and_all_execute_the_same(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b", "c"))

        def forged(name: str, request: Any) -> Any:
            if not isinstance(request, Hold) or name != "b":
                return request
            content = request.content[:-1] + bytes([request.content[-1] ^ 1])
            return Hold(request.channel, request.custodian, request.epoch, request.order_by, content)

        sites.forgeries["a"] = forged
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        stream, keeper = sites.stream(purse.channel), sites.module.keeper
        entry = keeper.entry(sites.state, purse.channel, stream.entries)
        assert entry is not None
        assert entry.signers == (sites.ids["c"],)

    run(scene())


def test_a_member_that_was_away_for_long_catches_up(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three_and_a_vault(sites))
        sites["b"].stop()
        for _ in range(80):
            paid = purse.pay("a", "b", 1)
            await sites.until(lambda paid=paid: purse.is_confirmed(paid, at="ac"))  # type: ignore[misc]
        sites["b"].start()
        await sites.until(lambda: sites.has_confirmed(purse.channel, "a", "b", "c"))
        assert purse.balances("b", "a", "b") == (920, 1_080)

    run(scene())


@pytest.mark.parametrize("age", ["lost", "older"])
def test_a_book_that_is_lost_or_older_than_its_replica_goes_on(sites: Sites, age: str) -> None:
    async def scene() -> None:
        purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
        await purse.fill("a", "b")
        site = sites["b"]
        site.stop()
        old = (site.folder / "channels.db").read_bytes()
        site.start()
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        site.stop()
        for path in site.folder.glob("channels.db*"):
            path.unlink()
        if age == "older":
            (site.folder / "channels.db").write_bytes(old)
        site.start()
        again = purse.pay("a", "b", 1)
        await sites.until(lambda: purse.is_confirmed(again, at="ab"))
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b")
        assert purse.balances("b", "a", "b") == (699, 1_301)

    run(scene())

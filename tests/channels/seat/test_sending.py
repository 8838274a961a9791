"""What a node answers for is executed once, whatever happens on the way."""

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.seat.errors import SubmissionRefused
from traco.modules.channel.entries import Batch, Tick
from traco.modules.channel.messages import OrderBatch, VoteClose
from traco.modules.channel.messages import Tick as TickChannel
from traco.modules.channel.parts import Limits
from traco.modules.holding.messages import Hold, Transfer


async def filled(sites: Sites, *names: str) -> Purse:
    """Money in a new channel of these members."""
    purse = Purse(sites, await sites.opened(sites.terms(*names)))
    await purse.fill("a", "b")
    return purse


def test_a_sender_that_dies_between_receipts_and_ordering_orders_later(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        sites["a"].withheld = (OrderBatch,)
        paid = purse.pay("a", "b", 300)
        await sites.tick(3)
        assert sites.standing("a", purse.channel, paid) == "received"
        sites["a"].withheld = ()
        sites["a"].restart()
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        assert purse.balances("b", "a", "b") == (700, 1_300)

    run(scene())


def test_a_sender_that_dies_between_ordering_and_executing_sends_nothing_twice(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        batches = len(sites.entries(purse.channel, Batch))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: len(sites.entries(purse.channel, Batch)) > batches)
        sites["a"].restart()
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        await sites.settle()
        assert len(sites.entries(purse.channel, Batch)) == batches + 1
        assert purse.balances("b", "a", "b") == (700, 1_300)

    run(scene())


@pytest.mark.parametrize("trouble", ["before", "behind"])
def test_a_root_that_does_not_answer_changes_nothing(sites: Sites, trouble: str) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        batches = len(sites.entries(purse.channel, Batch))
        sites["a"].root_trouble = trouble
        paid = purse.pay("a", "b", 300)
        await sites.tick(5)
        sites["a"].root_trouble = ""
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        await sites.settle()
        assert len(sites.entries(purse.channel, Batch)) == batches + 1
        assert purse.balances("b", "a", "b") == (700, 1_300)

    run(scene())


def test_a_transaction_sent_through_two_members_has_effect_once(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        message = Transfer(
            sites.ids["a"], purse.instrument, purse.account("a"), purse.account("b"), 300, b"twice"
        )
        raw = sites.transaction(purse.channel, message, keys=["a"])
        paid = {sites.send_signed(name, purse.channel, raw) for name in ("a", "b")}
        await sites.until(lambda: purse.is_confirmed(*paid, at="ab"))
        await sites.settle()
        assert [purse.balances(name, "a", "b") for name in "ab"] == [(700, 1_300)] * 2
        assert [sites[name].book.count(purse.channel) for name in "ab"] == [0, 0]

    run(scene())


def test_what_is_due_in_an_idle_channel_happens_by_a_tick(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        expires_ms = sites.root.ledger.time_ms + 20_000
        held = Hold(
            sites.ids["a"], purse.account("a"), purse.instrument, 400, sites.ids["b"], expires_ms, b"", bytes(16)
        )  # fmt: skip
        sites.send("a", purse.channel, held)
        await sites.settle()
        assert purse.balances("b", "a") == (600,)
        await sites.until(lambda: purse.balances("b", "a") == (1_000,))
        assert len(sites.entries(purse.channel, Tick)) == 1
        assert len([each for each in sites.submitted if isinstance(each, TickChannel)]) == 1
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b")

    run(scene())


def test_a_new_key_while_a_batch_is_on_its_way_has_it_sealed_again(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        sites["a"].withheld = (OrderBatch,)
        paid = purse.pay("a", "b", 300)
        await sites.tick(2)
        await sites.rotate("b", purse.channel, sites.terms("a", "b"))
        assert sites.record(purse.channel).epoch == 2
        sites["a"].withheld = ()
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        assert sites.entries(purse.channel, Batch)[-1].epoch == 2
        assert purse.balances("b", "a", "b") == (700, 1_300)

    run(scene())


def test_what_never_fits_into_a_payload_is_refused_and_holds_up_nothing(sites: Sites) -> None:
    async def scene() -> None:
        terms = sites.terms("a", "b", limits=Limits(max_payload_bytes=2_048))
        purse = Purse(sites, await sites.opened(terms))
        await purse.fill("a", "b")
        message = Transfer(sites.ids["a"], purse.instrument, purse.account("a"), purse.account("b"), 1, b"")
        large = sites.send("a", purse.channel, *[message] * 20)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        assert sites.standing("a", purse.channel, large) == "refused channel.too_large"

    run(scene())


def test_what_waits_when_a_channel_closes_is_refused(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        sites["a"].withheld = (OrderBatch,)
        paid = purse.pay("a", "b", 300)
        for name in ("a", "b"):
            sites.on_root(name, VoteClose(sites.ids[name], purse.channel))
        sites["a"].withheld = ()
        await sites.until(lambda: sites.standing("a", purse.channel, paid) == "refused channel.closed")
        assert sites["a"].book.count(purse.channel) == 0

    run(scene())


def test_a_member_of_another_channel_has_nothing_taken_and_no_file_made(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        with pytest.raises(SubmissionRefused, match="not in that channel"):
            purse.sites.send("c", purse.channel, Hold(
                sites.ids["c"], purse.account("a"), purse.instrument, 400, sites.ids["b"], 1, b"", bytes(16)
            ))  # fmt: skip
        assert sites["c"].running.standing(purse.channel, bytes(32)) is None
        assert [path.name for path in sites["c"].folder.iterdir() if purse.channel.hex() in path.name] == []

    run(scene())


def test_an_idle_node_writes_nothing(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, "a", "b")
        await sites.settle()
        for name in "abcd":
            sites[name].fuse.light(1)  # the first write would be its death
        for _ in range(20):
            await sites.tick()
        assert [sites[name].starts for name in "abcd"] == [1] * 4
        assert sites.has_confirmed(purse.channel, "a", "b")
        for name in "abcd":
            sites[name].fuse.renew()

    run(scene())

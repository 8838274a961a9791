"""Members that say something else, send what is not theirs to send, or are none any more."""

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.seat.errors import SubmissionRefused
from traco.modules.channel.entries import Resumed, Suspended
from traco.modules.channel.events import Dissented
from traco.modules.channel.messages import Attest, EndChannel, OrderBatch, Resume
from traco.modules.channel.parts import Attested, Held, Limits, Shown, Terms
from traco.modules.channel.signing import payload_hash
from traco.modules.holding.messages import Transfer

WRONG = b"\x66" * 32


async def filled(sites: Sites, terms: Terms) -> Purse:
    """Money in a new channel."""
    purse = Purse(sites, await sites.opened(terms))
    await purse.fill("a", "b")
    return purse


def lie(sites: Sites, purse: Purse, name: str) -> str:
    """A member attests the newest point, but not what executing it gives."""
    stream = sites.stream(purse.channel)
    generation = sites.record(purse.channel).generation
    word = Attested(purse.channel, generation, stream.ordinal, WRONG)
    return sites.by_node(name, Attest(sites.ids[name], (word,)))


def test_one_liar_of_three_is_named_and_business_goes_on(sites: Sites) -> None:
    async def scene() -> None:
        vaults = (sites.ids["d"],)
        purse = await filled(sites, sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults))
        await sites.settle()
        sites["c"].withheld = (Attest,)
        first = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("a", purse.channel, first) != "received")
        assert lie(sites, purse, "c") == ""
        second = purse.pay("b", "a", 50)
        await sites.until(lambda: purse.is_confirmed(first, second, at="ab"))
        named = {event.member for event in sites.events(Dissented) if isinstance(event, Dissented)}
        assert named == {sites.ids["c"]}
        assert sites.record(purse.channel).status == "open"

    run(scene())


async def suspended(sites: Sites, terms: Terms) -> tuple[Purse, bytes]:
    """A channel of ``a`` and ``b`` that a word of ``b`` has suspended, and a payment that is not confirmed."""
    purse = await filled(sites, terms)
    await sites.settle()
    sites["b"].withheld = (Attest,)
    paid = purse.pay("a", "b", 300)
    await sites.until(lambda: sites.standing("b", purse.channel, paid) == "executed")
    assert lie(sites, purse, "b") == ""
    await sites.tick(2)
    assert sites.record(purse.channel).status == "suspended"
    assert len(sites.entries(purse.channel, Suspended)) == 1
    return purse, paid


def test_a_liar_of_two_suspends_the_channel_and_when_the_adjudicator_resumes_it_all_is_attested_anew(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse, paid = await suspended(sites, sites.terms("a", "b", adjudicator=sites.ids["c"]))
        other = Purse(sites, await sites.opened(sites.terms("a", "c")))
        waits = purse.pay("b", "a", 50)
        await sites.tick(3)
        assert sites.standing("b", purse.channel, waits) == "received"
        sites["b"].withheld = ()
        sites.on_root("c", Resume((sites.ids["c"],), purse.channel))
        await sites.until(lambda: purse.is_confirmed(paid, waits, at="ab"))
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b")
        assert len(sites.entries(purse.channel, Resumed)) == 1
        assert sites.has_confirmed(other.channel, "a", "c")

    run(scene())


def test_after_a_resumption_a_node_that_executes_everything_anew_finds_the_same_digests(sites: Sites) -> None:
    async def scene() -> None:
        purse, paid = await suspended(sites, sites.terms("a", "b", adjudicator=sites.ids["c"]))
        sites["b"].withheld = ()
        sites.on_root("c", Resume((sites.ids["c"],), purse.channel))
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        sites["a"].stop()
        (sites["a"].folder / f"{purse.channel.hex()}.db").unlink()
        sites["a"].start()
        sites["a"].running.hosted(purse.channel)
        again = purse.pay("b", "a", 1)
        await sites.until(lambda: purse.is_confirmed(paid, again, at="ab"))
        assert sites.has_confirmed(purse.channel, "a", "b")

    run(scene())


def test_a_suspended_channel_can_be_ended_by_the_council_and_what_waits_is_refused(sites: Sites) -> None:
    async def scene() -> None:
        purse, _ = await suspended(sites, sites.terms("a", "b", limits=Limits(resume_ms=5_000)))
        waits = purse.pay("a", "b", 1)
        await sites.tick(6)
        council = tuple(sorted(sites.ids[name] for name in ("c", "d")))
        ended = EndChannel(council, purse.channel, "test.reason")
        sites.root.ledger.succeed(
            ended, keys=sorted((sites.keys["c"], sites.keys["d"]), key=lambda k: k.public)
        )
        await sites.until(lambda: sites.standing("a", purse.channel, waits) == "refused channel.closed")

    run(scene())


def test_a_removed_member_opens_and_sends_nothing_more(sites: Sites) -> None:
    async def scene() -> None:
        vaults = (sites.ids["d"],)
        purse = await filled(sites, sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults))
        await sites.settle()
        sites["c"].withheld = (OrderBatch,)
        message = Transfer(sites.ids["a"], purse.instrument, purse.account("a"), purse.account("b"), 1, b"")
        waits = sites.send_signed("c", purse.channel, sites.transaction(purse.channel, message, keys=["a"]))
        await sites.tick(2)
        await sites.rotate("a", purse.channel, sites.terms("a", "b"))
        sites["c"].withheld = ()
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        await sites.until(lambda: sites.standing("c", purse.channel, waits) == "refused channel.not_member")
        with pytest.raises(SubmissionRefused, match="not in that channel"):
            sites.send("c", purse.channel, message)
        shown = OrderBatch(sites.ids["c"], purse.channel, 2, Shown(b"x" * 200))
        assert sites.by_node("c", shown) == "channel.not_member"
        assert sites["c"].running.secrets.find(purse.channel, 2) is None
        sites["c"].restart()  # it still knows that it is not to follow
        after = purse.pay("a", "b", 1)
        await sites.until(lambda: purse.is_confirmed(after, at="ab"))
        assert sites["c"].running.standing(purse.channel, after) is None

    run(scene())


def test_a_member_that_joins_late_needs_a_snapshot_and_its_node_goes_on_otherwise(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        await sites.settle()
        await sites.rotate("a", purse.channel, sites.terms("a", "b", "c", policy=2))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        for _ in range(2):
            problems = sites["c"].running.problems
            assert [error.code for error in problems.values()] == ["channel.snapshot_needed"]  # type: ignore[attr-defined]
            sites["c"].restart()
        other = Purse(sites, await sites.opened(sites.terms("a", "c")))
        await other.fill("a", "c")
        assert other.balances("c", "a", "c") == (1_000, 1_000)

    run(scene())


@pytest.mark.parametrize("what", ["garbage", "other channel", "other epoch"])
def test_what_cannot_be_opened_is_an_empty_entry_everywhere(sites: Sites, what: str) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        other = await filled(sites, sites.terms("a", "b"))
        contents = {"garbage": b"g" * 300, "other channel": sites.held()[-1].content}
        sites["a"].withheld = (OrderBatch,)
        paid = purse.pay("a", "b", 300)
        await sites.tick(2)
        contents["other epoch"] = sites.held()[-1].content
        await sites.rotate("a", purse.channel, sites.terms("a", "b"))
        forged = OrderBatch(sites.ids["b"], purse.channel, 2, Shown(contents[what]))
        assert sites.by_node("b", forged) == ""
        number = sites.stream(purse.channel).entries
        sites["a"].withheld = ()
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        await sites.settle()
        assert sites.stream(purse.channel).entries > number
        assert [sites.has_confirmed(each.channel, "a", "b") for each in (purse, other)] == [True, True]
        assert [purse.balances(name, "a", "b") for name in "ab"] == [(700, 1_300)] * 2

    run(scene())


def test_receipts_of_one_channel_are_none_in_another(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        other = Purse(sites, await sites.opened(sites.terms("a", "b")))
        orders = sites.orders(purse.channel)
        held = next(order.payload for order in orders if isinstance(order.payload, Held))
        replayed = OrderBatch(sites.ids["a"], other.channel, 1, held)
        assert sites.by_node("a", replayed) == "channel.receipt_invalid"

    run(scene())


def test_a_transaction_of_one_ledger_is_none_in_another(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        other = Purse(sites, await sites.opened(sites.terms("a", "b")))
        message = Transfer(sites.ids["a"], purse.instrument, purse.account("a"), purse.account("b"), 1, b"")
        raw = sites.transaction(purse.channel, message, keys=["a"])
        replayed = sites.send_signed("a", other.channel, raw)
        code = "refused transaction.wrong_ledger"
        await sites.until(lambda: sites.standing("a", other.channel, replayed) == code)
        (answer,) = sites.root.ledger.run_block([raw])
        assert answer.failure is not None
        assert answer.leaf < 0
        await sites.settle()
        assert sites.has_confirmed(other.channel, "a", "b")

    run(scene())


def test_bytes_ordered_once_are_not_ordered_again(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        order = sites.orders(purse.channel)[-1]
        assert sites.by_node("a", order) in ("channel.payload_repeated", "channel.receipts_expired")
        assert isinstance(order.payload, Held)
        content = sites["a"].custody.get(purse.channel, order.payload.hash)
        assert content is not None
        assert payload_hash(content) == order.payload.hash
        shown = OrderBatch(sites.ids["b"], purse.channel, 1, Shown(content))
        assert sites.by_node("b", shown) == "channel.payload_repeated"

    run(scene())

"""What members decided to have erased is destroyed everywhere, and the channel goes on."""

from pathlib import Path

import pytest

from channels.seat.fuses import Died
from channels.seat.purse import Purse
from channels.seat.sites import Sites
from channels.seat.test_crashes import STRIDE, at_each_moment
from support.virtual_time import run
from traco.modules.channel.entries import Erased
from traco.modules.channel.messages import Attest, OrderBatch, VoteErase, VoteVoid

MARKER = b"planted marker of a payment"


async def business(sites: Sites) -> Purse:
    """A channel of ``a`` and ``b`` with ``c`` as a vault, and payments."""
    purse = Purse(sites, await sites.opened(sites.terms("a", "b", vaults=(sites.ids["c"],))))
    await purse.fill("a", "b")
    for amount in (1, 2, 3):
        await paid(sites, purse, amount)
    await sites.settle()
    return purse


async def paid(sites: Sites, purse: Purse, amount: int) -> bytes:
    identity = purse.pay("a", "b", amount)
    await sites.until(lambda: purse.is_confirmed(identity, at="ab"))
    return identity


def vote(sites: Sites, purse: Purse, ordinal: int, *names: str) -> None:
    for name in names:
        sites.on_root(name, VoteErase(sites.ids[name], purse.channel, ordinal))


def kept(sites: Sites, purse: Purse, name: str) -> list[int]:
    """The entries of which a node holds the payload. What was never ordered is dropped when its receipts end."""
    rows = sites[name].custody._connection.execute(
        "SELECT number FROM payloads WHERE channel = ? AND number IS NOT NULL ORDER BY number",
        (purse.channel,),
    )
    return [number for (number,) in rows]


def is_confirmed(sites: Sites, purse: Purse, identity: bytes, name: str) -> bool:
    """Whether both members say so; a node that dies when it is asked is started again."""
    try:
        return purse.is_confirmed(identity, at="ab")
    except Died:
        sites[name].restart()
        return False


async def erased(sites: Sites, purse: Purse) -> int:
    """All up to the present point is erased; its last entry."""
    ordinal = sites.stream(purse.channel).confirmed
    vote(sites, purse, ordinal, "a", "b")
    await sites.settle()
    ((entry),) = sites.entries(purse.channel, Erased)
    return entry.through


def test_every_custodian_destroys_what_was_erased_the_vault_too(sites: Sites) -> None:
    async def scene() -> None:
        purse = await business(sites)
        assert all(kept(sites, purse, name) for name in "abc")
        through = await erased(sites, purse)
        after = await paid(sites, purse, 4)
        assert all(min(kept(sites, purse, name)) > through for name in "ab")
        assert all(number > through for number in kept(sites, purse, "c"))
        assert purse.is_confirmed(after, at="ab")
        assert [sites[name].book.erasures() for name in "abc"] == [[], [], []]

    run(scene())


def test_a_rebuild_that_was_fetching_when_it_was_erased_keeps_nothing_of_it_and_ends(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        purse = await business(sites)
        site = sites["a"]
        lost = kept(sites, purse, "a")[0]
        delete = "DELETE FROM payloads WHERE channel = ? AND number = ?"
        site.custody._connection.execute(delete, (purse.channel, lost))
        sites.cut |= {("a", "b"), ("a", "c")}
        monkeypatch.setattr(sites["c"].custody, "erase", lambda channel, through: 0)  # it is slow to obey
        site.running.rebuild(purse.channel)
        await sites.until(lambda: site.running.rebuilding(purse.channel).stage == "fetching")
        await erased(sites, purse)
        sites.cut.clear()
        await sites.until(lambda: site.running.rebuilding(purse.channel).status != "running")
        report = site.running.rebuilding(purse.channel)
        assert (report.status, report.missing) == ("complete", ())
        assert kept(sites, purse, "a") == []

    run(scene())


def test_what_one_member_wants_to_erase_stays(sites: Sites) -> None:
    async def scene() -> None:
        purse = await business(sites)
        before = [kept(sites, purse, name) for name in "abc"]
        vote(sites, purse, sites.stream(purse.channel).confirmed, "a")
        await sites.settle()
        assert [kept(sites, purse, name) for name in "abc"] == before

    run(scene())


def test_no_transaction_is_left_in_any_file_and_outcomes_and_states_stay(sites: Sites) -> None:
    async def scene() -> None:
        purse = await business(sites)
        identity = await paid(sites, purse, 5)
        hosted = sites["a"].running.hosted(purse.channel)
        place = hosted.outcome(identity, lambda receipt: None)
        assert place is not None
        content = hosted.contents(hosted.shown(place.ordinal).point)
        assert content is not None
        ((raw,),) = content.values()  # type: ignore[misc]
        await erased(sites, purse)
        await sites.settle()
        for name in "abc":
            sites[name].stop()
            for path in Path(sites[name].folder).rglob("*"):
                assert not path.is_file() or raw not in path.read_bytes(), path
            sites[name].start()
        assert sites.standing("a", purse.channel, identity) == "confirmed"
        assert sites["a"].running.proof(purse.channel, identity) is None
        assert purse.balances("b", "a", "b") == (1_000 - 11, 1_000 + 11)

    run(scene())


def test_after_an_erasure_a_void_goes_back_to_the_snapshot_that_was_kept(sites: Sites) -> None:
    async def scene() -> None:
        purse = await business(sites)
        await erased(sites, purse)
        for name in "ab":
            sites[name].withheld = (Attest,)
        lost = purse.pay("a", "b", 7)
        await sites.until(lambda: sites.standing("b", purse.channel, lost) == "executed")
        stream, generation = sites.stream(purse.channel), sites.record(purse.channel).generation
        await sites.tick()
        for name in "ab":
            sites[name].withheld = (Attest, OrderBatch)
            sites.on_root(name, VoteVoid(sites.ids[name], purse.channel, stream.entries, generation))
        await sites.tick(3)
        for name in "ab":
            sites[name].withheld = ()
        await sites.until(lambda: purse.is_confirmed(lost, at="ab"))  # it was sent again
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b")
        assert [sites[name].running.problems for name in "ab"] == [{}, {}]

    run(scene())


def test_a_member_that_was_away_obeys_when_it_is_back_and_goes_on_from_anothers_snapshot(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse = Purse(
            sites, await sites.opened(sites.terms("a", "b", "d", policy=2, vaults=(sites.ids["c"],)))
        )
        await purse.fill("a", "b")
        await sites.settle()
        sites["d"].stop()
        for amount in (1, 2, 3):
            await paid(sites, purse, amount)
        through = await erased(sites, purse)
        after = await paid(sites, purse, 4)
        sites["d"].start()
        await sites.until(lambda: purse.is_confirmed(after, at="d"))
        await sites.settle()
        assert sites["d"].running.problems == {}
        assert all(number > through for number in kept(sites, purse, "d"))
        assert purse.balances("d", "a", "b") == (990, 1_010)

    run(scene())


def test_a_node_that_starts_again_has_not_forgotten_what_is_to_be_erased(sites: Sites) -> None:
    async def scene() -> None:
        purse = await business(sites)
        sites["c"].stop()
        through = await erased(sites, purse)
        assert kept(sites, purse, "a") == []
        sites["c"].start()
        await sites.settle()
        assert all(number > through for number in kept(sites, purse, "c"))

    run(scene())


@pytest.mark.parametrize("name", ["a", "c"])
def test_a_node_may_die_at_any_moment_of_an_erasure(tmp_path: Path, name: str) -> None:
    def scene(sites: Sites, length: int) -> int | None:
        async def play() -> int | None:
            purse = await business(sites)
            starts = sites[name].starts
            sites[name].fuse.light(length)
            through = await erased(sites, purse)
            after = purse.pay("a", "b", 4)
            await sites.until(lambda: is_confirmed(sites, purse, after, name))
            await sites.settle()
            for each in "abc":
                assert all(number > through for number in kept(sites, purse, each))
                assert sites[each].book.erasures() == []
            assert is_confirmed(sites, purse, after, name)
            return sites[name].fuse.left if sites[name].starts == starts else None

        return run(play())

    assert at_each_moment(tmp_path, scene, stride=8 * STRIDE) >= 2

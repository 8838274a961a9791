"""A member that comes later, or was away for too long, goes on from another member's snapshot; whoever gives a wrong one is named."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from channels.seat.purse import Purse
from channels.seat.sites import NAMES, Sites
from channels.seat.test_crashes import LONG_STRIDE, at_each_moment
from support.founding import Founding, founding
from support.ledger import Key
from support.virtual_time import run
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Fetch, Refusal
from traco.channels.executing.errors import GenerationStale
from traco.channels.sealing.keys import BoxSecret
from traco.channels.seat.claims import CLAIM
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.messages import GetPart, GetSnapshot, Part, SnapshotIs
from traco.channels.seat.ports import SeatKeys
from traco.kernel.codec import encode
from traco.modules.channel.entries import Voided
from traco.modules.channel.events import Dissented
from traco.modules.channel.messages import Attest, Resume, SetSeat, Supply
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.parts import Attested, Limits, Terms
from traco.modules.party.module import PartyModule
from traco.storage.copying.form import decode_head, encode_head


def of_three(sites: Sites) -> Terms:
    return sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=(sites.ids["d"],))


async def of_two(sites: Sites) -> Purse:
    """A channel of two members with some history."""
    purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
    await purse.fill("a", "b")
    for _ in range(3):
        purse.pay("a", "b", 10)
        await sites.tick(3)
    await sites.settle()
    return purse


async def joined(sites: Sites, purse: Purse, terms: Terms) -> None:
    """Other terms begin; wait until every member follows."""
    await sites.rotate("a", purse.channel, terms)
    await sites.until(lambda: has_executed(sites, purse, "c"))


def has_executed(sites: Sites, purse: Purse, name: str) -> bool:
    """Whether a node has come to the end of the stream."""
    book, stream = sites[name].book, sites.stream(purse.channel)
    result = book.result(purse.channel, stream.ordinal)
    other = sites["a"].book.result(purse.channel, stream.ordinal)
    return result is not None and other is not None and result.digest == other.digest


def app_hash(sites: Sites, name: str, channel: bytes) -> bytes:
    return sites[name].running.hosted(channel).replica.info().app_hash


def faults(sites: Sites, name: str, channel: bytes) -> dict[str, str]:
    """What others were found to have answered a node, by name."""
    return {sites.names[each.member]: each.code for each in sites[name].book.faults(channel)}


def test_a_member_that_joins_later_ends_with_the_same_state_and_attests_the_same_digests(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        assert sites["c"].running.problems == {}
        assert sites.has_confirmed(purse.channel, "a", "b", "c")
        assert len({app_hash(sites, name, purse.channel) for name in "abc"}) == 1
        assert purse.balances("c", "a", "b") == (670, 1_330)
        sites["a"].stop()  # the policy needs the word of the one that joined
        sent = purse.pay("b", "a", 5)
        await sites.until(lambda: purse.is_confirmed(sent, at="bc"))

    run(scene())


def test_a_member_that_joined_later_can_prove_what_came_since_and_not_what_was_before(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        early = purse.pay("a", "b", 7)
        await sites.until(lambda: purse.is_confirmed(early, at="ab"))
        await joined(sites, purse, of_three(sites))
        late = purse.pay("a", "b", 9)
        await sites.until(lambda: purse.is_confirmed(late, at="abc"))
        await sites.settle()
        seats = sites["c"].running
        assert seats.standing(purse.channel, early) is None
        assert seats.proof(purse.channel, early) is None
        assert sites["a"].running.proof(purse.channel, early) is not None
        proven, other = seats.proof(purse.channel, late), sites["a"].running.proof(purse.channel, late)
        assert (proven, proven is None) == (other, False)

    run(scene())


def test_before_it_has_a_snapshot_a_member_takes_no_business(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        for name in ("a", "b"):
            sites[name].answering.snapshots = None
        await sites.rotate("a", purse.channel, of_three(sites))
        await sites.tick(8)
        assert [each.code for each in sites["c"].running.problems.values()] == ["channel.snapshot_needed"]  # type: ignore[attr-defined]
        with pytest.raises(SubmissionRefused, match=r"channel\.snapshot_needed"):
            purse.pay("c", "a", 1)
        sites["b"].answering.snapshots = sites["b"].running
        await sites.until(lambda: has_executed(sites, purse, "c"))
        assert sites["c"].running.problems == {}

    run(scene())


@pytest.mark.parametrize("after", range(6))
def test_a_member_that_dies_right_after_it_joined_reads_no_block_twice(sites: Sites, after: int) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await sites.rotate("a", purse.channel, of_three(sites))
        await sites.tick(after)
        purse.pay("a", "b", 3)  # a point that says nothing to who does not follow the channel yet

        def has_joined() -> bool:
            return sites["c"].book.standing(purse.channel) == "followed"

        while not has_joined():
            await sites.tick(1)
        assert sites["c"].book.read_height() >= sites["c"].book.cursor(purse.channel).height
        sites["c"].restart()
        paid = purse.pay("a", "b", 4)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))

    run(scene())


def nothing(request: Any, answer: Any) -> Any:
    return Refusal("snapshot.none") if isinstance(request, GetSnapshot) else answer


def hanging(request: Any, answer: Any) -> Any:
    if isinstance(request, GetPart):
        raise TransportFailed("custody.unreachable", "it hangs up")
    return answer


def other_piece(request: Any, answer: Any) -> Any:
    if isinstance(request, GetPart) and request.part and isinstance(answer, Part):
        return Part(answer.total, answer.content[:-1] + bytes([answer.content[-1] ^ 1]))
    return answer


def short_piece(request: Any, answer: Any) -> Any:
    return Part(10, b"") if isinstance(request, GetPart) and request.part else answer


def dripping(request: Any, answer: Any) -> Any:
    if isinstance(request, GetPart) and isinstance(answer, Part):
        return Part(answer.total, answer.content[:1])
    return answer


def endless(request: Any, answer: Any) -> Any:
    return Part(2**40, b"x" * 100) if isinstance(request, GetPart) else answer


def too_early(request: Any, answer: Any) -> Any:
    return SnapshotIs(1) if isinstance(request, GetSnapshot) else answer


def garbage(request: Any, answer: Any) -> Any:
    return Part(7, b"garbage") if isinstance(request, GetPart) and not request.part else answer


def claiming(change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A lie in the claim."""

    def lie(request: Any, answer: Any) -> Any:
        if not (isinstance(request, GetPart) and not request.part and isinstance(answer, Part)):
            return answer
        raw = encode(change(CLAIM.decode(answer.content)))
        return Part(len(raw), raw)

    return lie


def with_head(**fields: Any) -> Callable[[Any], Any]:
    return lambda claim: replace(claim, head=encode_head(replace(decode_head(claim.head), **fields)))


def with_point(**fields: Any) -> Callable[[Any], Any]:
    return lambda claim: replace(claim, points=(replace(claim.points[0], **fields), *claim.points[1:]))


LIES = {
    "another piece": (other_piece, "snapshot.piece_differs"),
    "a piece that ends early": (short_piece, "snapshot.malformed"),
    "a little at a time": (dripping, "snapshot.malformed"),
    "more than there may be": (endless, "snapshot.malformed"),
    "a point before the joining": (too_early, "snapshot.other_point"),
    "garbage": (garbage, "snapshot.malformed"),
    "another state root": (claiming(with_head(state_root=bytes(32))), "snapshot.other_state"),
    "another size": (claiming(with_head(first_empty=1)), "snapshot.untrue"),
    "another height": (claiming(with_head(height=1)), "snapshot.other_point"),
    "another network": (claiming(with_head(network=bytes(32))), "snapshot.other_network"),
    "another ledger": (claiming(with_head(ledger=bytes(32))), "snapshot.other_network"),
    "a short window": (claiming(with_head(window_ms=1)), "snapshot.old_window"),
    "another protocol": (claiming(with_head(protocol=2)), "snapshot.untrue"),
    "another point": (claiming(with_point(outcomes=bytes(32))), "snapshot.other_point"),
    "another generation": (claiming(with_point(generation=9)), "snapshot.other_point"),
    "another chain": (claiming(with_point(chain=bytes(32))), "snapshot.other_point"),
    "another epoch": (claiming(lambda claim: replace(claim, epoch=1)), ""),
    "none": (nothing, ""),
    "silence": (hanging, "custody.unreachable"),
}


def test_a_member_that_gives_a_wrong_snapshot_is_named_and_another_is_asked(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        first = min(("a", "b"), key=lambda name: sites.ids[name])
        sites.lies[first] = other_piece
        await joined(sites, purse, of_three(sites))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert faults(sites, "c", purse.channel) == {first: "snapshot.piece_differs"}
        assert len({app_hash(sites, name, purse.channel) for name in "abc"}) == 1
        base = sites["c"].book.base(purse.channel)
        assert base.member == next(sites.ids[name] for name in "ab" if name != first)

    run(scene())


def test_who_asks_for_a_snapshot_that_there_never_will_be_keeps_nobody_from_one(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        for name, asker in (("a", "b"), ("b", "a")):
            answer = sites[name].answering.answer(sites.ids[asker], GetSnapshot(purse.channel, 2**53 - 1))
            assert answer == Refusal("snapshot.none")
        await joined(sites, purse, of_three(sites))

    run(scene())


def test_every_lie_about_a_snapshot_is_found_out_and_named(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        await sites.settle()
        book, giver = sites["c"].book, sites.ids["a"]
        joiner = sites["c"].running.joiner
        assert joiner is not None

        async def asked(lie: Any, code: str) -> tuple[bool, int]:
            before = {each.code: each.times for each in book.faults(purse.channel)}.get(code, 0)
            sites.lies["a"] = lie
            taken = await joiner.join(purse.channel, book.base(purse.channel).since, [giver], 600_000)
            after = {each.code: each.times for each in book.faults(purse.channel)}.get(code, 0)
            return taken, after - before

        await sites.until(lambda: bool(archive(sites, "a").claimed(purse.channel)))
        for what, (lie, code) in LIES.items():
            assert (what, await asked(lie, code)) == (what, (False, 1 if code else 0))
        assert await asked(lambda _, answer: answer, "none") == (True, 0)

    run(scene())


def test_a_snapshot_that_came_when_a_later_one_is_needed_already_is_not_gone_on_from(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        await sites.settle()
        book, joiner = sites["c"].book, sites["c"].running.joiner
        assert joiner is not None
        await sites.until(lambda: bool(archive(sites, "a").claimed(purse.channel)))
        since = book.base(purse.channel).since
        assert await joiner.join(purse.channel, since, [sites.ids["a"]], 600_000)
        book.need_snapshot(purse.channel, since + 1_000)
        await sites["c"].step()
        assert book.base(purse.channel) == (since + 1_000, 0, 0, None)

    run(scene())


def test_snapshots_are_given_to_members_alone(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        first = min(("a", "b"), key=lambda name: sites.ids[name])
        (ordinal,) = archive(sites, first).claimed(purse.channel)
        requests: list[GetSnapshot | GetPart] = [
            GetSnapshot(purse.channel, 1),
            GetPart(purse.channel, ordinal, 0, 0),
        ]
        for request in requests:
            refused = sites[first].answering.answer(sites.ids["d"], request)  # the vault
            assert refused == Refusal("snapshot.not_entitled")
            assert not isinstance(sites[first].answering.answer(sites.ids["c"], request), Refusal)
        assert sites[first].answering.answer(sites.ids["c"], GetSnapshot(bytes(32), 1)) == Refusal(
            "snapshot.not_entitled"
        )
        gone = GetPart(purse.channel, ordinal, 10_000, 0)
        assert sites[first].answering.answer(sites.ids["c"], gone) == Refusal("snapshot.none")

    run(scene())


def archive(sites: Sites, name: str) -> Any:
    return sites[name].archive


def wipe(sites: Sites, name: str) -> None:
    site = sites[name]
    site.stop()
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    site.start()


def test_a_late_joiner_that_lost_its_disk_is_made_good_from_a_snapshot_and_the_report_says_so(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        wipe(sites, "c")
        seats = sites["c"].running
        seats.rebuild(purse.channel)
        await sites.until(lambda: seats.rebuilding(purse.channel).status != "running")
        report = seats.rebuilding(purse.channel)
        assert (report.status, report.agrees, report.missing) == ("complete", True, ())
        assert report.snapshot is not None
        assert report.snapshot.member in (sites.ids["a"], sites.ids["b"])
        assert purse.balances("c", "a", "b") == (670, 1_330)

    run(scene())


def test_a_void_goes_back_to_the_newest_confirmed_snapshot_and_not_to_the_first_point(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        for name in NAMES:
            archive(sites, name).interval = 4
        terms = sites.terms(
            "a", "b", "c", faults=1, policy=2, custody=2, vaults=(sites.ids["d"],), limits=Limits(answer_ms=60_000)
        )  # fmt: skip
        purse = Purse(sites, await sites.opened(terms))
        await purse.fill("a", "b")
        for _ in range(6):
            purse.pay("a", "b", 10)
            await sites.tick(3)
        await sites.settle()
        kept = archive(sites, "a").claimed(purse.channel)
        assert (len(kept), kept[0] > 4) == (2, True)
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = True
            sites.cut.add((name, "a"))
        sites["a"].withheld = (Supply,)
        lost = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("a", purse.channel, lost) == "executed")
        again = list[int]()
        book = sites["a"].book
        forget = book.forget_results

        def forgetting(channel: bytes, after: int) -> None:
            again.append(after)
            forget(channel, after)

        monkeypatch.setattr(book, "forget_results", forgetting)
        await sites.until(lambda: bool(sites.entries(purse.channel, Voided)), after_ms=10_000)
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = False
        await sites.until(lambda: purse.is_confirmed(lost, at="abc"))
        assert again[0] == kept[0]
        assert sites.has_confirmed(purse.channel, "a", "b", "c")
        assert [purse.balances(name, "a", "b") for name in "abc"] == [(640, 1_360)] * 3

    run(scene())


def test_a_snapshot_that_the_medium_has_damaged_is_passed_over(sites: Sites) -> None:
    async def scene() -> None:
        archive(sites, "a").interval = 3
        purse = await of_two(sites)
        kept, hosted = archive(sites, "a").claimed(purse.channel), sites["a"].running.hosted(purse.channel)
        (folder,) = sites["a"].folder.glob("*.snapshots")
        for ordinal in kept:
            (folder / str(ordinal) / "00000").write_bytes(b"damaged")
        book = sites["a"].book
        book.forget_results(purse.channel, hosted.replica.cursor.ordinal)
        sites["a"].running._replicas.go_back(purse.channel, hosted.replica.cursor.ordinal)
        await sites.settle()
        assert archive(sites, "a").claimed(purse.channel) != kept
        assert sites.has_confirmed(purse.channel, "a", "b")

    run(scene())


class Forgetful(Sites):
    """A root that keeps replaced records for a few blocks only."""

    def founded(self, names: Sequence[str]) -> tuple[Founding, ChannelModule]:
        party = PartyModule()
        module = ChannelModule(party.keeper)
        kernel = {"history_horizon": 60}
        roles = {"a": ("cash_operator",)}
        made = founding(
            names, [module], party=party, threshold=2, protocol=3, roles=roles, parameters={"kernel": kernel}
        )
        return made, module


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Sites]:
    made = Forgetful(tmp_path)
    yield made
    made.close()
    assert made.alarms == []


def test_a_member_that_lags_beyond_what_the_root_keeps_goes_on_from_a_snapshot(forgetful: Sites) -> None:
    sites = forgetful

    async def scene() -> None:
        purse = Purse(sites, await sites.opened(of_three(sites)))
        await purse.fill("a", "b")
        sites["c"].stop()
        for _ in range(5):
            paid = purse.pay("a", "b", 10)
            await sites.until(lambda paid=paid: purse.is_confirmed(paid, at="ab"))  # type: ignore[misc]
        await sites.tick(80)
        sites["c"].start()
        await sites.until(lambda: has_executed(sites, purse, "c"))
        paid = purse.pay("a", "b", 50)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert purse.balances("c", "a", "b") == (900, 1_100)
        assert sites["c"].book.base(purse.channel).ordinal > 0
        assert len({app_hash(sites, name, purse.channel) for name in "abc"}) == 1

    run(scene())


def test_what_a_laggard_sent_and_a_snapshot_passed_over_is_refused_with_a_code(forgetful: Sites) -> None:
    sites = forgetful

    async def scene() -> None:
        purse = Purse(sites, await sites.opened(of_three(sites)))
        await purse.fill("a", "b", "c")
        # what it sends is ordered, and it is away before it executes that
        sites.lies["c"] = lambda request, answer: (
            Refusal("custody.not_held") if isinstance(request, Fetch) else answer
        )
        sent = purse.pay("c", "b", 10)
        entries = sites.stream(purse.channel).entries
        await sites.until(lambda: sites.stream(purse.channel).entries > entries)
        sites["c"].stop()
        sites.lies.clear()
        await sites.tick(80)
        sites["c"].start()
        await sites.until(lambda: has_executed(sites, purse, "c"))
        assert sites.standing("c", purse.channel, sent) == "refused channel.before_snapshot"
        assert sites.standing("a", purse.channel, sent) == "confirmed"

    run(scene())


def test_a_node_may_die_at_any_moment_of_going_on_from_a_snapshot(tmp_path: Path) -> None:
    def scene(sites: Sites, length: int) -> int | None:
        async def play() -> int | None:
            purse = await of_two(sites)
            await sites.rotate("a", purse.channel, of_three(sites))
            starts = sites["c"].starts
            sites["c"].fuse.light(length)
            paid = purse.pay("a", "b", 300)
            await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
            await sites.settle()
            assert purse.balances("c", "a", "b") == (670, 1_330)
            assert sites.has_confirmed(purse.channel, "a", "b", "c")
            return sites["c"].fuse.left if sites["c"].starts == starts else None

        return run(play())

    assert at_each_moment(tmp_path, scene, 2 * LONG_STRIDE) >= 5


def test_a_node_may_die_at_any_moment_of_taking_snapshots(tmp_path: Path) -> None:
    def scene(sites: Sites, length: int) -> int | None:
        async def play() -> int | None:
            purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
            await purse.fill("a", "b")
            await sites.settle()
            starts = sites["a"].starts
            archive(sites, "a").interval = 2
            sites["a"].fuse.light(length)
            for _ in range(5):
                purse.pay("b", "a", 10)
                await sites.tick(2)
                archive(sites, "a").interval = 2
            await sites.settle()
            assert len(archive(sites, "a").claimed(purse.channel)) in (
                2,
                3,
            )  # one that was to go may be left over
            return sites["a"].fuse.left if sites["a"].starts == starts else None

        return run(play())

    assert at_each_moment(tmp_path, scene, 4 * LONG_STRIDE) >= 5


def test_where_all_must_agree_the_one_that_joins_confirms_what_it_goes_on_from(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        terms = sites.terms("a", "b", "c", custody=2)
        assert terms.policy == 3
        await sites.rotate("a", purse.channel, terms)
        begun = sites.stream(purse.channel).ordinal
        await sites.until(lambda: sites.stream(purse.channel).confirmed >= begun)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b", "c")
        assert len({app_hash(sites, name, purse.channel) for name in "abc"}) == 1
        assert faults(sites, "c", purse.channel) == {}

    run(scene())


def test_what_is_attested_anew_from_the_snapshots_own_point_on_is_gone_on_from_anew(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        sites["c"].withheld = (Attest,)
        terms = sites.terms("a", "b", "c", custody=2, adjudicator=sites.ids["d"])
        await sites.rotate("a", purse.channel, terms)
        begun = sites.stream(purse.channel).ordinal
        await sites.until(lambda: sites["c"].book.base(purse.channel).ordinal == begun)
        word = Attested(purse.channel, 0, begun, bytes(32))
        assert sites.by_node("c", Attest(sites.ids["c"], (word,))) == ""
        await sites.tick(2)
        assert sites.record(purse.channel).status == "suspended"
        sites.on_root("d", Resume((sites.ids["d"],), purse.channel))
        sites["c"].withheld = ()
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b", "c")
        assert len({event.member for event in sites.events(Dissented) if isinstance(event, Dissented)}) == 1

    run(scene())


def test_a_state_that_others_do_not_vouch_for_alike_is_not_gone_on_from(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        sites["b"].withheld = (Attest,)
        await sites.rotate("a", purse.channel, sites.terms("a", "b", "c", custody=2))
        await sites.tick(12)
        assert sites["c"].book.base(purse.channel).ordinal == 0
        assert [each.code for each in sites["c"].running.problems.values()] == ["channel.snapshot_needed"]  # type: ignore[attr-defined]
        sites["b"].withheld = ()
        await sites.until(lambda: has_executed(sites, purse, "c"))

    run(scene())


def test_who_has_lost_its_keys_goes_on_from_a_snapshot_of_the_next_epoch(sites: Sites) -> None:
    async def scene() -> None:
        purse = Purse(sites, await sites.opened(of_three(sites)))
        await purse.fill("a", "b")
        await sites.settle()
        site = sites["c"]
        site.stop()
        shutil.rmtree(site.folder)
        site.folder.mkdir()
        site.keys = SeatKeys(site.keys.node, (BoxSecret(Key("another box").seed),))
        seat = SetSeat(site.member, site.keys.node.public_key, site.keys.boxes[-1].public_key, b"", "")
        sites.on_root("c", seat)
        site.start()
        await sites.tick(8)
        assert [each.code for each in site.running.problems.values()] == ["channel.key_missing"]  # type: ignore[attr-defined]
        await sites.rotate("a", purse.channel, of_three(sites))
        await sites.until(lambda: has_executed(sites, purse, "c"))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        assert sites.has_confirmed(purse.channel, "a", "b", "c")
        assert purse.balances("c", "a", "b") == (700, 1_300)
        assert site.running.problems == {}

    run(scene())


def test_a_void_before_its_snapshot_makes_a_node_take_another_one_and_stops_nothing(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        await sites.settle()
        site = sites["c"]

        def stale(*_: Any) -> Any:
            raise GenerationStale(purse.channel, 1)

        monkeypatch.setattr(site.running.hosted(purse.channel).replica, "execute", stale)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab") and has_executed(sites, purse, "c"))
        assert site.starts == 1
        assert site.running.problems == {}

    run(scene())


def test_a_late_joiner_restored_from_a_backup_without_its_replica_gets_another_snapshot(sites: Sites) -> None:
    async def scene() -> None:
        purse = await of_two(sites)
        await joined(sites, purse, of_three(sites))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        await sites.settle()
        site = sites["c"]
        site.stop()
        for path in site.folder.glob(f"{purse.channel.hex()}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        site.start()
        site.running.rebuild(purse.channel)
        await sites.until(lambda: site.running.rebuilding(purse.channel).status != "running")
        report = site.running.rebuilding(purse.channel)
        assert (report.status, report.agrees, report.executed) == ("complete", True, report.points)
        assert purse.balances("c", "a", "b") == (670, 1_330)

    run(scene())

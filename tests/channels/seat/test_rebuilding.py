"""A channel is made good again after a loss, or executed anew when that is asked for; the report says what was found and what not."""

import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.custody.messages import Fetch, Found, Refusal
from traco.channels.seat.completeness import Answered, Completeness, Gave
from traco.channels.seat.errors import NotHosted, NotRebuilt
from traco.channels.seat.sources import Fault, Source
from traco.modules.channel.entries import Voided
from traco.modules.channel.messages import Supply
from traco.modules.channel.parts import Limits, Terms


def four(sites: Sites, **limits: int) -> Terms:
    """Of four members one may be faulty."""
    names = ("a", "b", "c", "d")
    return sites.terms(*names, faults=1, policy=3, custody=2, limits=Limits(**limits))


async def busy(sites: Sites, terms: Terms) -> Purse:
    """A channel in which some has happened."""
    purse = Purse(sites, await sites.opened(terms))
    await purse.fill("a", "b")
    for amount in range(1, 11):
        purse.pay("a", "b", amount)
        await sites.tick(2)
    await sites.settle()
    return purse


def wipe(sites: Sites, name: str) -> None:
    """The folder of a node's channels is lost, and the node starts again."""
    site = sites[name]
    site.stop()
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    site.start()


async def rebuilt(sites: Sites, name: str, channel: bytes) -> Completeness:
    """The report of a rebuild."""
    seats = sites[name].running
    seats.rebuild(channel)
    await sites.until(lambda: seats.rebuilding(channel).status != "running")
    return seats.rebuilding(channel)


def lying(request: Any, answer: Any) -> Any:
    return Found(b"something else") if isinstance(request, Fetch) else answer


def refusing(request: Any, answer: Any) -> Any:
    return Refusal("custody.not_held") if isinstance(request, Fetch) else answer


def test_a_wiped_node_is_made_good_by_custodians_and_says_what_came_from_whom(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        wipe(sites, "b")
        report = await rebuilt(sites, "b", purse.channel)
        stream = sites.stream(purse.channel)
        assert (report.status, report.agrees, report.missing, report.wrong) == ("complete", True, (), ())
        assert (report.entries, report.noted) == (stream.entries, stream.entries)
        assert (report.points, report.executed) == (stream.ordinal, stream.ordinal)
        assert (report.own_digest, report.confirmed) == (stream.digest, stream.confirmed)
        assert (sum(each.payloads for each in report.fetched), report.here) == (report.payloads, 0)
        assert {each.member for each in report.fetched} == {sites.ids[name] for name in ("a", "c", "d")}
        assert purse.balances("b", "a", "b") == (945, 1_055)

    run(scene())


def test_a_custodian_that_answers_with_other_bytes_is_named_and_survived(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        sites.lies["c"] = lying
        wipe(sites, "b")
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.agrees) == ("complete", True)
        (wrong,) = report.wrong
        assert (wrong.member, wrong.code) == (sites.ids["c"], "custody.wrong_bytes")
        assert (wrong.times > 0, wrong.first >= 1, wrong.last <= report.entries) == (True, True, True)
        assert sites.ids["c"] not in {each.member for each in report.fetched}

    run(scene())


def test_the_report_names_who_lied_before_anybody_asked_for_it(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        sites.lies["c"] = lying
        wipe(sites, "b")
        await sites.until(lambda: sites.has_confirmed(purse.channel, "b"))
        sites.lies.clear()
        sites["b"].restart()
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, [each.member for each in report.wrong]) == ("complete", [sites.ids["c"]])
        assert sum(each.payloads for each in report.fetched) == report.payloads

    run(scene())


def test_what_nobody_gives_makes_the_report_incomplete_and_names_who_was_asked(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        for name in ("a", "c", "d"):
            sites.lies[name] = refusing
            sites[name].withheld = (Supply,)
        wipe(sites, "b")
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.agrees, report.code) == ("incomplete", None, "custody.unavailable")
        assert report.missing_total == len(report.missing) == report.payloads
        answered = {(each.member, each.code) for each in report.missing[0].answers}
        assert answered == {(sites.ids[name], "custody.not_held") for name in ("a", "c", "d")}
        assert report.executed < report.points
        sites.lies.clear()
        assert (await rebuilt(sites, "b", purse.channel)).status == "complete"

    run(scene())


def test_an_entry_that_is_void_is_counted_as_such_and_not_missed(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites, answer_ms=60_000))
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = True
            sites.cut.add((name, "a"))
        sites["a"].withheld = (Supply,)
        lost = purse.pay("a", "b", 300)
        await sites.until(lambda: bool(sites.entries(purse.channel, Voided)), after_ms=10_000)
        for name in ("b", "c", "d"):
            sites[name].custody.forgets = False
        sites.cut.clear()
        await sites.until(lambda: purse.is_confirmed(lost, at="abcd"))
        (voided,) = sites.entries(purse.channel, Voided)
        wipe(sites, "c")
        report = await rebuilt(sites, "c", purse.channel)
        assert (report.status, report.agrees, report.voided) == ("complete", True, (voided.number,))
        assert report.generation == 1

    run(scene())


def damage(folder: Path) -> None:
    """Change a bit of every payload."""
    connection: Any = apsw.Connection(str(folder / "custody.db"))
    rows = connection.execute("SELECT id, content FROM payloads").fetchall()
    changed = [(bytes([content[0] ^ 1]) + content[1:], row) for row, content in rows]
    connection.executemany("UPDATE payloads SET content = ? WHERE id = ?", changed)
    connection.close()


def test_a_rebuild_reads_what_is_here_again_and_fetches_what_the_medium_has_damaged(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        sites["b"].stop()
        damage(sites["b"].folder)
        sites["b"].start()
        await sites.settle()
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.agrees, report.here) == ("complete", True, 0)
        assert sum(each.payloads for each in report.fetched) == report.payloads > 10

    run(scene())


def test_a_rebuild_executes_a_channel_that_was_executed_before_again(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        replica = sites["b"].running.hosted(purse.channel).replica
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.agrees, report.fetched) == ("complete", True, ())
        assert sites["b"].running.hosted(purse.channel).replica is not replica
        assert sites.has_confirmed(purse.channel, "a", "b", "c", "d")

    run(scene())


def test_a_replica_is_kept_where_what_it_was_made_of_is_not_all_there(sites: Sites) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        for name in ("a", "c", "d"):
            sites.lies[name] = refusing
            sites[name].withheld = (Supply,)
        sites["b"].stop()
        damage(sites["b"].folder)
        sites["b"].start()
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.executed, report.agrees) == ("incomplete", report.points, True)
        assert purse.balances("b", "a", "b") == (945, 1_055)

    run(scene())


def test_what_the_root_confirmed_otherwise_is_said(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        purse = await busy(sites, four(sites))
        stream = sites.stream(purse.channel)
        book = sites["b"].book
        result = book.result(purse.channel, stream.confirmed)
        assert result is not None

        def otherwise(channel: bytes, ordinal: int) -> Any:
            return type(result)(result.generation, result.epoch, result.app_hash, result.legs, bytes(32))

        monkeypatch.setattr(book, "result", otherwise)
        report = await rebuilt(sites, "b", purse.channel)
        assert (report.status, report.agrees, report.own_digest) == ("differs", False, bytes(32))
        monkeypatch.undo()

    run(scene())


def test_a_report_is_of_channels_of_this_node_only_and_of_this_start(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        with pytest.raises(NotHosted):
            sites["c"].running.rebuild(channel)
        with pytest.raises(NotRebuilt):
            sites["a"].running.rebuilding(channel)
        assert (await rebuilt(sites, "a", channel)).status == "complete"

    run(scene())


def test_sources_and_faults_are_added_up(sites: Sites) -> None:
    book, channel, other = sites["a"].book, b"\x01" * 32, b"\x02" * 16
    book.note_answers([Source(channel, 1, other), Source(channel, 2, other)], [])
    book.note_answers([Source(channel, 2, other)], [Fault(channel, 7, other, "custody.wrong_bytes")])
    book.note_answers([], [Fault(channel, 3, other, "custody.wrong_bytes")])
    assert [Gave(*each) for each in book.sources(channel, 9)] == [Gave(other, 2)]
    assert [Answered(*each) for each in book.faults(channel)] == [
        Answered(other, "custody.wrong_bytes", 2, 3, 7)
    ]

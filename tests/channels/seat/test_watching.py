"""Who runs a node sees how far its channels are, what they lack and who is to blame, and nothing of what is in them."""

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.ledger import Key
from support.virtual_time import run
from traco.channels.custody.messages import Fetch, Found
from traco.channels.custody.tally import SILENT, WRONG
from traco.channels.sealing.keys import BoxSecret
from traco.channels.seat import figures as figures_module
from traco.channels.seat import watching
from traco.channels.seat.figures import MemberFigures, SeatFigures
from traco.kernel.codec import encode
from traco.modules.channel.messages import Attest, SetSeat, Supply
from traco.modules.channel.parts import Attested, Limits, Terms

LIMITS = Limits(answer_ms=60_000)


def look(sites: Sites, name: str) -> SeatFigures:
    return sites[name].running.figures()


def member(sites: Sites, name: str, about: str) -> MemberFigures:
    (found,) = [each for each in look(sites, name).members if each.member == sites.ids[about]]
    return found


async def filled(sites: Sites, terms: Terms) -> Purse:
    """Money in a new channel."""
    purse = Purse(sites, await sites.opened(terms))
    await purse.fill("a", "b")
    return purse


def three(sites: Sites) -> Terms:
    vaults = (sites.ids["d"],)
    return sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults, limits=LIMITS)


def test_channels_at_rest_lack_nothing(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three(sites))
        purse.pay("a", "b", 300)
        await sites.settle()
        found = look(sites, "a")
        assert (found.statuses, found.problems, found.channels) == ((("open", 1),), (), ())
        assert (found.unexecuted, found.unconfirmed, found.unexecuted_ms, found.unconfirmed_ms) == (
            0,
            0,
            0,
            0,
        )
        assert (found.wanted, found.reported, found.voided, found.outdated) == (0, 0, 0, 0)
        assert (found.outbox_waiting, found.outbox_executed, found.outbox_ms) == (0, 0, 0)
        assert found.custody_bytes > 0
        assert {each.member for each in found.members} == {sites.ids[name] for name in "bcd"}
        assert (
            found.read_height == found.root_height - 1
        )  # the last block of the scene, which nobody has read

    run(scene())


def test_a_node_without_channels_has_nothing_to_show(sites: Sites) -> None:
    async def scene() -> None:
        await filled(sites, sites.terms("a", "b"))
        found = look(sites, "c")
        assert (found.statuses, found.members, found.epoch_ms, found.custody_bytes) == ((), (), 0, 0)

    run(scene())


def test_what_members_do_not_attest_is_unconfirmed_and_its_age_grows(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        await sites.settle()
        sites["b"].withheld = (Attest,)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("a", purse.channel, paid) == "executed")
        before = look(sites, "a")
        await sites.tick(12)
        after = look(sites, "a")
        assert before.unconfirmed == after.unconfirmed == 1
        assert after.unconfirmed_ms - before.unconfirmed_ms == 12_000
        (channel,) = after.channels
        assert (channel.channel, channel.code, channel.noted) == (purse.channel, "", channel.executed)
        assert channel.confirmed == channel.executed - 1
        assert (after.outbox_waiting, after.outbox_executed) == (0, 1)

    run(scene())


def test_a_payload_that_nobody_has_is_wanted_reported_and_void_and_its_custodians_are_named(
    sites: Sites,
) -> None:
    async def scene() -> None:
        purse = await filled(sites, three(sites))
        for name in "bcd":
            sites[name].custody.forgets = True
            sites.cut.add((name, "a"))
        sites["a"].withheld = (Supply,)
        purse.pay("a", "b", 300)
        await sites.until(lambda: look(sites, "b").reported > 0)
        found = look(sites, "b")
        assert (found.unexecuted, found.wanted) == (1, 1)
        assert found.wanted_ms >= 10_000
        assert dict(found.problems) == {"custody.unavailable": 1}
        assert found.channels[0].codes() == ("custody.unavailable",)
        await sites.until(lambda: look(sites, "b").voided > 0, after_ms=10_000)
        await sites.tick()
        assert look(sites, "c").reported == 0
        assert [member(sites, "a", name).lost for name in "bcd"] == [1, 1, 1]

    run(scene())


def test_a_dissenter_is_counted_by_name(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three(sites))
        await sites.settle()
        sites["c"].withheld = (Attest,)
        purse.pay("a", "b", 300)
        await sites.tick(2)
        word = Attested(purse.channel, 0, sites.stream(purse.channel).ordinal, b"\x66" * 32)
        assert sites.by_node("c", Attest(sites.ids["c"], (word,))) == ""
        await sites.tick(2)
        assert [member(sites, "a", name).dissents for name in "bcd"] == [0, 1, 0]

    run(scene())


def test_a_suspended_channel_is_shown_as_such(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        await sites.opened(sites.terms("a", "c"))
        await sites.settle()
        assert look(sites, "a").statuses == (("open", 2),)
        sites["b"].withheld = (Attest,)
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: sites.standing("b", purse.channel, paid) == "executed")
        word = Attested(purse.channel, 0, sites.stream(purse.channel).ordinal, b"\x66" * 32)
        assert sites.by_node("b", Attest(sites.ids["b"], (word,))) == ""
        await sites.tick(2)
        found = look(sites, "a")
        assert found.statuses == (("open", 1), ("suspended", 1))
        assert [(each.channel, each.codes()) for each in found.channels] == [
            (purse.channel, ("channel.suspended",))
        ]

    run(scene())


def test_a_custodian_that_does_not_answer_is_named_though_business_goes_on(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three(sites))
        before = dict(member(sites, "a", "c").asked).get(SILENT, 0)
        sites["c"].stop()
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="ab"))
        found = member(sites, "a", "c")
        assert found.is_silent
        assert dict(found.asked)[SILENT] > before
        assert not member(sites, "a", "b").is_silent

    run(scene())


def test_a_custodian_that_gives_something_else_is_counted(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, three(sites))
        await sites.settle()
        for name in "bd":
            sites.lies[name] = lambda ask, answer: Found(b"other") if isinstance(ask, Fetch) else answer
        sites.cut.add(("a", "c"))
        paid = purse.pay("a", "b", 300)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert [dict(member(sites, "c", name).asked).get(WRONG, 0) for name in "abd"] == [0, 1, 1]

    run(scene())


def move(sites: Sites, name: str) -> None:
    """A member has a new X25519 key in its seat, and its node the old one too."""
    site = sites[name]
    site.keys = site.keys._replace(boxes=(*site.keys.boxes, BoxSecret(Key("moved").seed)))
    seat = SetSeat(site.member, site.keys.node.public_key, site.keys.boxes[-1].public_key, b"", "")
    sites.on_root(name, seat)
    site.restart()


def test_a_key_that_was_wrapped_for_another_seat_is_outdated_until_the_next_epoch(sites: Sites) -> None:
    async def scene() -> None:
        terms = sites.terms("a", "b")
        purse = await filled(sites, terms)
        await sites.settle()
        assert look(sites, "a").outdated == 0
        move(sites, "b")
        await sites.tick(2)
        found = look(sites, "a")
        assert (found.outdated, [each.codes() for each in found.channels]) == (
            1, [("channel.key_outdated",)],
        )  # fmt: skip
        await sites.rotate("a", purse.channel, terms)
        await sites.settle()
        assert look(sites, "a").outdated == 0

    run(scene())


def test_the_age_of_an_epoch_is_known_also_after_a_start(sites: Sites) -> None:
    async def scene() -> None:
        terms = sites.terms("a", "b")
        purse = await filled(sites, terms)
        first = look(sites, "a").epoch_ms
        await sites.rotate("a", purse.channel, terms)
        purse.pay("a", "b", 1)
        await sites.settle()
        second = look(sites, "a").epoch_ms
        assert 0 < second < first
        sites["a"].restart()
        await sites.settle()
        assert look(sites, "a").epoch_ms - second < 60_000
        assert look(sites, "a").epoch_ms >= second

    run(scene())


def test_transactions_that_cannot_be_ordered_are_seen_to_wait(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        await sites.settle()
        sites["a"].root_trouble = "before"
        purse.pay("a", "b", 300)
        purse.pay("a", "b", 301)
        await sites.tick()
        look(sites, "a")
        await sites.tick(5)
        found = look(sites, "a")
        assert (found.outbox_waiting, found.outbox_ms) == (2, 5_000)

    run(scene())


def test_only_the_worst_channels_are_shown_one_by_one(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        opened = [await sites.opened(sites.terms("a", "b")) for _ in range(4)]
        await sites.settle()
        monkeypatch.setattr(watching, "LAGGING_MS", 0)
        monkeypatch.setattr(watching, "SHOWN", 3)
        found = look(sites, "a")
        assert found.statuses == (("open", len(opened)),)
        assert len(found.channels) == 3
        assert figures_module.SHOWN == 20

    run(scene())


def test_neither_names_nor_amounts_are_in_what_is_shown(sites: Sites) -> None:
    async def scene() -> None:
        purse = await filled(sites, sites.terms("a", "b"))
        sites["b"].withheld = (Attest,)
        paid = purse.pay("a", "b", 300)
        await sites.tick(15)
        raw = encode(look(sites, "a"))
        assert purse.channel in raw
        for hidden in (paid, purse.instrument, purse.account("a"), purse.account("b"), b"EUR"):
            assert hidden not in raw

    run(scene())

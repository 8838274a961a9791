"""A disclosed period is executed again, and what is not as it was confirmed is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from channels.disclosing.period import audited, business, changed, disclosed, frames, paid, put_on_record
from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.form import Frame, Head, Ids, Leaves, Links, Opening, Payload, Point, Slots
from traco.channels.sealing.blinding import Blinding
from traco.channels.seat.disclosing import Period
from traco.channels.seat.hosting import Hosted
from traco.modules.channel.entries import Voided
from traco.modules.channel.messages import Attest, OrderBatch
from traco.modules.channel.parts import Attested, Limits, Shown

WRONG = b"\x66" * 32


def test_a_disclosed_period_is_as_its_members_confirmed_it(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        made = await disclosed(sites, purse, tmp_path / "period")
        report = audited(sites, tmp_path / "period")
        assert report.difference is None
        assert (report.first, report.last) == (made.first, made.last)
        assert (report.counts.points, report.counts.transactions) == (2, 2)
        assert report.parties == (sites.ids["a"],)
        assert report.attesters == tuple(sorted((sites.ids["a"], sites.ids["b"])))

    run(scene())


def test_a_whole_channel_is_audited_without_an_opening(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        await disclosed(sites, purse, tmp_path / "period", Period())
        report = audited(sites, tmp_path / "period")
        assert report.difference is None
        assert report.counts.points == sites.stream(purse.channel).confirmed
        assert not any(isinstance(frame, Opening) for frame in frames(tmp_path / "period"))

    run(scene())


def test_points_that_were_confirmed_with_a_later_one_are_audited_by_way_of_it(
    sites: Sites, tmp_path: Path
) -> None:
    async def scene() -> None:
        purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
        await purse.fill("a", "b")
        await sites.settle()
        sites["b"].withheld = (Attest,)
        for amount in (1, 2, 3):
            identity = purse.pay("a", "b", amount)
            await sites.until(
                lambda identity=identity: sites.standing("a", purse.channel, identity) == "executed"  # type: ignore[misc]
            )
        result = sites["b"].book.result(purse.channel, sites.stream(purse.channel).ordinal)
        assert result is not None
        word = Attested(purse.channel, result.generation, sites.stream(purse.channel).ordinal, result.digest)
        assert sites.by_node("b", Attest(sites.ids["b"], (word,))) == ""
        await sites.settle()
        last = sites.stream(purse.channel).confirmed
        await disclosed(sites, purse, tmp_path / "period", Period(last - 2, last - 1))
        assert [type(frame) for frame in frames(tmp_path / "period")].count(Links) == 1
        report = audited(sites, tmp_path / "period")
        assert (report.difference, report.confirmed) == (None, last)

    run(scene())


def test_a_period_with_a_void_and_an_unreadable_entry_agrees(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        vaults, limits = (sites.ids["c"],), Limits(answer_ms=5_000)
        terms = sites.terms("a", "b", "d", policy=2, vaults=vaults, limits=limits)
        purse = Purse(sites, await sites.opened(terms))
        await purse.fill("a", "b")
        assert sites.by_node("b", OrderBatch(sites.ids["b"], purse.channel, 1, Shown(b"g" * 300))) == ""
        await sites.settle()
        await paid(sites, purse, 5)
        await disclosed(sites, purse, tmp_path / "period", Period())
        report = audited(sites, tmp_path / "period")
        assert (report.difference, report.counts.unreadable) == (None, 1)

    run(scene())


async def lied(sites: Sites) -> tuple[Purse, int]:
    """A channel of three in which two attest the same wrong digest of a point; its ordinal."""
    vaults = (sites.ids["d"],)
    terms = sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults)
    purse = Purse(sites, await sites.opened(terms))
    await purse.fill("a", "b")
    await sites.settle()
    for name in ("a", "b"):
        sites[name].withheld = (Attest,)
    identity = purse.pay("a", "b", 300)
    await sites.until(lambda: sites.standing("c", purse.channel, identity) == "executed")
    ordinal, generation = sites.stream(purse.channel).ordinal, sites.record(purse.channel).generation
    for name in ("a", "b"):
        word = Attested(purse.channel, generation, ordinal, WRONG)
        assert sites.by_node(name, Attest(sites.ids[name], (word,))) == ""
    await sites.settle()
    assert sites.stream(purse.channel).digest == WRONG
    return purse, ordinal


def test_a_quorum_that_attested_a_wrong_digest_is_found_by_what_an_honest_member_discloses(
    sites: Sites, tmp_path: Path
) -> None:
    async def scene() -> None:
        purse, ordinal = await lied(sites)
        await disclosed(sites, purse, tmp_path / "period", Period(ordinal - 1, ordinal), "c")
        report = audited(sites, tmp_path / "period")
        assert report.difference is not None
        found = report.difference
        assert (found.what, found.point, found.through, found.expected) == (
            "digest",
            ordinal,
            ordinal,
            WRONG.hex(),
        )
        assert report.attesters == tuple(sorted((sites.ids["a"], sites.ids["b"])))

    run(scene())


def test_behind_a_dispute_nothing_is_executed_for_the_opening_is_not_what_was_confirmed(
    sites: Sites, tmp_path: Path
) -> None:
    async def scene() -> None:
        purse, ordinal = await lied(sites)
        identity = purse.pay("a", "b", 1)
        await sites.until(lambda: sites.standing("c", purse.channel, identity) == "executed")
        stream, generation = sites.stream(purse.channel), sites.record(purse.channel).generation
        for name in ("a", "b"):
            word = Attested(purse.channel, generation, stream.ordinal, WRONG)
            assert sites.by_node(name, Attest(sites.ids[name], (word,))) == ""
        await sites.settle()
        await disclosed(sites, purse, tmp_path / "period", Period(ordinal + 1, ordinal + 1), "c")
        report = audited(sites, tmp_path / "period")
        assert report.difference is not None
        assert (report.difference.what, report.difference.point) == ("opening", ordinal)
        assert report.counts.points == 0

    run(scene())


def skew(monkeypatch: pytest.MonkeyPatch, ordinal: int, what: str) -> None:
    """All members run a software that finds something else at a point, and attest that."""
    honest, hashes = Hosted._summarised, Blinding._hashes

    def summarised(self: Hosted, point: Any, *others: Any) -> Any:
        summary = honest(self, point, *others)
        is_skewed = point.context.ordinal == ordinal and what == "state"
        return replace(summary, state=WRONG) if is_skewed else summary

    def salted(self: Blinding, leaves: Any) -> list[bytes]:
        found = hashes(self, leaves)
        return [WRONG, *found[1:]] if what == "outcome" and self._ordinal == ordinal else found

    monkeypatch.setattr(Hosted, "_summarised", summarised)
    monkeypatch.setattr(Blinding, "_hashes", salted)


@pytest.mark.parametrize("what", ["state", "outcome"])
def test_members_who_all_lie_are_found_at_the_very_point_and_transaction(
    sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async def scene() -> None:
        purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
        await purse.fill("a", "b")
        await sites.settle()
        ordinal = sites.stream(purse.channel).ordinal + 2
        skew(monkeypatch, ordinal, what)
        identities = [await paid(sites, purse, amount) for amount in (1, 2, 3)]
        await disclosed(sites, purse, tmp_path / "period", Period(ordinal - 1, ordinal + 1))
        report = audited(sites, tmp_path / "period")
        assert report.difference is not None
        assert (report.difference.what, report.difference.point) == (what, ordinal)
        if what == "outcome":
            assert report.difference.transaction == identities[1]
            assert report.difference.entry == report.difference.entry is not None
            assert report.difference.found == "executed"
        assert report.counts.points == 2

    run(scene())


def _other(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def _other_value(frame: Frame) -> Frame:
    assert isinstance(frame, Slots)
    place = next(place for place, slot in enumerate(frame.slots) if isinstance(slot, tuple) and slot[1])
    key, value = frame.slots[place]  # type: ignore[misc]
    slots = (*frame.slots[:place], (key, value[:-1] + bytes([value[-1] ^ 1])), *frame.slots[place + 1 :])
    return replace(frame, slots=slots)


CHANGES: dict[str, tuple[type, Callable[[Any], Frame | None], str]] = {
    "a payload's key": (Payload, lambda frame: replace(frame, key=_other(frame.key)), "disclosure.payload_key"),
    "a payload's key that is left out": (Payload, lambda frame: replace(frame, key=b""), "disclosure.payload_key"),
    "a payload said not to open": (Payload, lambda frame: replace(frame, code="payload.epoch"), "disclosure.payload_key"),
    "a payload": (Payload, lambda frame: replace(frame, content=_other(frame.content)), "disclosure.payload"),
    "the number of a payload": (Payload, lambda frame: replace(frame, number=frame.number + 99), "disclosure.payload"),
    "a value of the opening": (Slots, _other_value, "disclosure.opening"),
    "slots that are left out": (Slots, lambda frame: replace(frame, slots=frame.slots[:-1]), "disclosure.opening"),
    "the opening's blind": (Opening, lambda frame: replace(frame, blind=WRONG), "disclosure.opening"),
    "the opening's history": (Opening, lambda frame: replace(frame, history_size=2**52), "disclosure.opening"),
    "the time of the opening": (Opening, lambda frame: replace(frame, time_ms=2**50), "disclosure.opening"),
    "an entry that is left out": (Point, lambda frame: replace(frame, first=frame.first + 1), "disclosure.stream"),
    "an entry that is another": (Point, lambda frame: replace(frame, entries=(Voided(1, 1),)), "disclosure.stream"),
    "a point's block": (
        Point, lambda frame: replace(frame, context=replace(frame.context, time_ms=1)), "disclosure.stream"
    ),
    "outcomes that are left out": (Leaves, lambda frame: None, "disclosure.malformed"),
    "a point that is left out": (Point, lambda frame: None, "disclosure.malformed"),
    "the network": (Head, lambda frame: replace(frame, network=WRONG), "disclosure.other_network"),
    "the period": (Head, lambda frame: replace(frame, last=frame.last + 1), "disclosure.malformed"),
    "an empty period": (Head, lambda frame: replace(frame, last=1), "disclosure.malformed"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_a_member_made_up_is_refused(sites: Sites, tmp_path: Path, what: str) -> None:
    async def scene() -> None:
        purse = await business(sites)
        await disclosed(sites, purse, tmp_path / "period")
        kind, change, code = CHANGES[what]
        changed(sites, tmp_path / "period", kind, change)
        with pytest.raises(DisclosureRefused) as refused:
            audited(sites, tmp_path / "period")
        assert refused.value.code == code

    run(scene())


@pytest.mark.parametrize(
    ("kind", "field", "what"), [(Point, "blind", "state"), (Leaves, "salts", "outcome"), (Leaves, "outcomes", "")]
)  # fmt: skip
def test_wrong_blinds_and_salts_are_found_at_their_point_and_claims_prove_nothing(
    sites: Sites, tmp_path: Path, kind: type, field: str, what: str
) -> None:
    async def scene() -> None:
        purse = await business(sites)
        made = await disclosed(sites, purse, tmp_path / "period")
        value: Any = WRONG if field == "blind" else (WRONG,)
        changed(sites, tmp_path / "period", kind, lambda frame: replace(frame, **{field: value}), 1)
        report = audited(sites, tmp_path / "period")
        if what:
            assert report.difference is not None
            assert (report.difference.what, report.difference.point) == (what, made.last)
        else:
            assert report.difference is None

    run(scene())


def test_used_ids_that_are_made_up_are_found_where_they_matter(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        await disclosed(sites, purse, tmp_path / "period")
        last = sites.stream(purse.channel).confirmed
        await disclosed(sites, purse, tmp_path / "later", Period(last, last))
        (later,) = [frame for frame in frames(tmp_path / "later") if isinstance(frame, Ids)]
        changed(sites, tmp_path / "period", Ids, lambda frame: replace(frame, used=later.used))
        report = audited(sites, tmp_path / "period")
        assert report.difference is not None
        assert report.difference.what == "outcomes"

    run(scene())


def test_what_was_changed_on_its_way_is_refused_whatever_it_is(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        path = tmp_path / "period"
        await disclosed(sites, purse, path)
        whole = path.read_bytes()
        for place in range(0, len(whole), 37):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            with pytest.raises(DisclosureRefused):
                audited(sites, path)
        for end in (0, 3, 40, len(whole) - 1):
            path.write_bytes(whole[:end])
            with pytest.raises(DisclosureRefused, match=r"disclosure\.malformed"):
                audited(sites, path)
        path.write_bytes(whole + b"x")
        with pytest.raises(DisclosureRefused, match=r"disclosure\.malformed"):
            audited(sites, path)

    run(scene())


def test_a_file_that_no_member_put_on_record_is_refused(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        path = tmp_path / "period"
        await disclosed(sites, purse, path)
        head, *others = frames(path)
        assert isinstance(head, Head)
        put_on_record(sites, path, [replace(head, member=sites.ids["b"]), *others])
        with pytest.raises(DisclosureRefused, match=r"disclosure\.not_recorded"):
            audited(sites, path)

    run(scene())

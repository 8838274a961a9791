"""What a member's node discloses of a channel, and what it does not."""

from pathlib import Path

import pytest

from channels.disclosing.period import audited, business, disclosed, frames
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.disclosing.errors import Undisclosable
from traco.channels.disclosing.form import Payload
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.keys import PayloadKey, Place
from traco.channels.sealing.payloads import unseal_disclosed
from traco.channels.seat.disclosing import Period
from traco.channels.seat.errors import NotHosted, SubmissionRefused
from traco.kernel.codec import encode
from traco.modules.channel.events import Disclosed


def test_the_file_opens_the_payloads_of_its_period_and_no_others(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        made = await disclosed(sites, purse, tmp_path / "period")
        keys = [PayloadKey(frame.key) for frame in frames(tmp_path / "period") if isinstance(frame, Payload)]
        place, opened = Place(sites.network, purse.channel, 1), set[int]()
        hosted = sites["a"].running.hosted(purse.channel)
        for ordinal in range(1, sites.stream(purse.channel).confirmed + 1):
            for payload in hosted.shown(ordinal).point.payloads().values():
                for key in keys:
                    try:
                        unseal_disclosed(hosted.payload(payload), key, place)
                        opened.add(ordinal)
                    except PayloadRefused:
                        continue
        assert opened == {made.first, made.last}
        secret = sites["a"].running.secrets.find(purse.channel, 1)
        assert secret is not None
        assert secret.reveal() not in (tmp_path / "period").read_bytes()

    run(scene())


def test_nobody_learns_from_the_root_what_was_disclosed(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        first = await disclosed(sites, purse, tmp_path / "first")
        second = await disclosed(sites, purse, tmp_path / "second")
        assert (first.first, first.last) == (second.first, second.last)
        said = [event for event in sites.events(Disclosed) if isinstance(event, Disclosed)]
        assert [event.commitment for event in said] == [first.commitment, second.commitment]
        assert first.commitment != second.commitment
        assert {len(encode(event)) for event in said} == {len(encode(said[0]))}

    run(scene())


def test_a_period_by_time_takes_the_points_of_the_blocks_in_it(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        book, last = sites["a"].book, sites.stream(purse.channel).confirmed
        times = [book.point(purse.channel, ordinal).context.time_ms for ordinal in range(1, last + 1)]  # type: ignore[union-attr]
        made = await disclosed(sites, purse, tmp_path / "period", Period(from_ms=times[2], until_ms=times[4]))
        assert (made.first, made.last) == (3, 4)
        report = audited(sites, tmp_path / "period")
        assert (report.from_ms, report.until_ms, report.difference) == (times[2], times[3], None)

    run(scene())


@pytest.mark.parametrize(
    "period", [Period(5, 4), Period(999, 1_000), Period(1, 999), Period(from_ms=2**50), Period(until_ms=1)]
)
def test_a_period_without_confirmed_points_is_not_disclosed(
    sites: Sites, tmp_path: Path, period: Period
) -> None:
    async def scene() -> None:
        purse = await business(sites)
        with pytest.raises(Undisclosable, match=r"disclosure\.period"):
            await disclosed(sites, purse, tmp_path / "period", period)
        assert sites.events(Disclosed) == []

    run(scene())


def test_what_custody_does_not_have_any_more_is_not_disclosed(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        point = sites["a"].book.point(purse.channel, 3)
        assert point is not None
        sites["a"].custody.erase(purse.channel, point.end.number)
        for period in (Period(3, 3), Period(5, 6)):  # the second for its opening
            with pytest.raises(Undisclosable, match=r"disclosure\.payload_gone"):
                await disclosed(sites, purse, tmp_path / "period", period)

    run(scene())


def test_only_a_member_with_a_seat_here_discloses_and_only_its_channels(sites: Sites, tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await business(sites)
        with pytest.raises(NotHosted):
            await disclosed(sites, purse, tmp_path / "period", name="c")
        other = sites["a"].running.discloser.disclose(purse.channel, sites.ids["b"], Period(), len)
        with pytest.raises(SubmissionRefused):
            await other

    run(scene())

"""The total of an instrument over all channels of its registrar, proven at one block of the root."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from channels.disclosing.regulator import RegulatorsRoot, made
from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.disclosing.errors import DisclosureRefused, Undisclosable
from traco.channels.disclosing.total import (
    TotalFile,
    TotalReport,
    check_total,
)
from traco.channels.seat.totalling import Totaller
from traco.kernel.codec import encode
from traco.modules.channel.messages import Attest

WRONG = b"\x66" * 32


def checked(sites: Sites, file: TotalFile) -> TotalReport:
    return check_total(encode(file), RegulatorsRoot(sites.root))


async def held(sites: Sites) -> tuple[Purse, Purse]:
    """An instrument of ``a``'s in two channels."""
    first = Purse(sites, await sites.opened(sites.terms("a", "b")))
    await first.fill("a", "b", amount=1_000)
    second = Purse(sites, await sites.opened(sites.terms("a", "c")))
    await second.fill("c", amount=500)
    await sites.settle()
    return first, second


def test_the_total_is_the_sum_over_all_channels_of_the_registrar(sites: Sites) -> None:
    async def scene() -> None:
        first, second = await held(sites)
        empty = await sites.opened(sites.terms("a", "d"))
        await sites.settle()
        report = checked(sites, await made(sites, first.instrument))
        rows = {row.channel: row.outstanding for row in report.rows}
        assert rows == {b"": 0, first.channel: 2_000, second.channel: 500, empty: 0}
        assert report.total == 2_500

    run(scene())


def test_what_happens_in_a_channel_behind_the_block_does_not_count(sites: Sites) -> None:
    async def scene() -> None:
        first, _ = await held(sites)
        before = await made(sites, first.instrument)
        paid = first.pay("a", "b", 5)
        await sites.until(lambda: first.is_confirmed(paid, at="ab"))
        await sites.settle()
        assert checked(sites, before).total == 2_500
        seats = sites["a"].running
        totaller = Totaller(sites.root, sites["a"].book, seats.discloser, seats.hosted)
        part = await totaller.part(first.channel, first.instrument, before.height)
        (shown,) = [each for each in before.channels if each.channel == first.channel]
        assert (part.summary, part.supply) == (shown.summary, shown.supply)  # executed again up to there

    run(scene())


def test_what_is_not_confirmed_is_not_shown(sites: Sites) -> None:
    async def scene() -> None:
        first, _ = await held(sites)
        sites["b"].withheld = (Attest,)
        paid = first.pay("a", "b", 5)
        await sites.until(lambda: sites.standing("a", first.channel, paid) == "executed")
        seats, height = sites["a"].running, sites.root.ledger.application.info().height
        totaller = Totaller(sites.root, sites["a"].book, seats.discloser, seats.hosted)
        with pytest.raises(Undisclosable, match=r"total\.not_confirmed"):
            await totaller.part(first.channel, first.instrument, height)

    run(scene())


def _in_first(**changes: Any) -> Callable[[TotalFile], TotalFile]:
    def change(file: TotalFile) -> TotalFile:
        first, *others = file.channels
        return replace(file, channels=(replace(first, **changes), *others))

    return change


def _older_point(file: TotalFile) -> TotalFile:
    first, *others = file.channels
    summary = replace(first.summary, ordinal=first.summary.ordinal + 1)
    return replace(file, channels=(replace(first, summary=summary), *others))


def _more(file: TotalFile) -> TotalFile:
    first, *others = file.channels
    value = first.supply.value or b""
    supply = replace(first.supply, value=value[:-1] + bytes([value[-1] ^ 1]))
    return replace(file, channels=(replace(first, supply=supply), *others))


CHANGES: dict[str, tuple[Callable[[TotalFile], TotalFile], str]] = {
    "another supply": (_more, "total.wrong_proof"),
    "none where there is some": (
        lambda file: replace(file, channels=tuple(replace(each, supply=replace(each.supply, value=None)) for each in file.channels)),
        "total.wrong_proof",
    ),
    "an edge that the root has not": (
        lambda file: replace(file, channels=tuple(replace(each, edge=replace(each.edge, value=b"x")) for each in file.channels)),
        "total.wrong_proof",
    ),
    "another blind": (_in_first(blind=WRONG), "total.wrong_state"),
    "another state": (_in_first(state_root=WRONG), "total.wrong_state"),
    "another point": (_older_point, "total.not_confirmed"),
    "another block of its confirmation": (_in_first(confirmed_height=1), "total.not_confirmed"),
    "a channel left out": (lambda file: replace(file, channels=file.channels[1:]), "total.incomplete"),
    "a channel twice": (lambda file: replace(file, channels=(*file.channels, file.channels[-1])), "total.malformed"),
    "a later block": (lambda file: replace(file, height=10**6), "total.root_too_young"),
    "an earlier block": (lambda file: replace(file, height=file.height - 8), "total.wrong_proof"),
    "another network": (lambda file: replace(file, network=WRONG), "total.other_network"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_was_made_up_is_refused(sites: Sites, what: str) -> None:
    async def scene() -> None:
        first, _ = await held(sites)
        file = await made(sites, first.instrument)
        change, code = CHANGES[what]
        with pytest.raises(DisclosureRefused) as refused:
            checked(sites, change(file))
        assert refused.value.code == code

    run(scene())


def test_an_older_state_of_a_channel_is_refused(sites: Sites) -> None:
    async def scene() -> None:
        first, _ = await held(sites)
        before = await made(sites, first.instrument)
        paid = first.pay("a", "b", 5)
        await sites.until(lambda: first.is_confirmed(paid, at="ab"))
        await sites.settle()
        after = await made(sites, first.instrument)
        stale = {each.channel: each for each in before.channels}
        mixed = tuple(
            replace(stale[each.channel], edge=each.edge) if each.channel == first.channel else each
            for each in after.channels
        )
        with pytest.raises(DisclosureRefused, match=r"total\.wrong_point"):
            checked(sites, replace(after, channels=mixed))

    run(scene())

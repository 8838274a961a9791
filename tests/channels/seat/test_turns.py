"""Several channels executed at once, as by processes of their own, with deaths, losses and voids meanwhile; in one thread, so it repeats."""

import asyncio

import pytest

from channels.seat import test_dealing as dealing
from channels.seat import test_losses as losses
from channels.seat.sites import Sites
from traco.channels.executing.points import Contents, Point
from traco.channels.executing.registry_view import RootState
from traco.channels.seat import agent, executing
from traco.channels.seat.executing import OwnProcess, OwnReplica
from traco.channels.seat.ports import Ran


class Interleaved(OwnReplica):
    """Others run before and behind everything it does."""

    async def run(self, point: Point, contents: Contents, root: RootState) -> Ran:
        await asyncio.sleep(0)
        ran = await super().run(point, contents, root)
        await asyncio.sleep(0)
        return ran

    async def keep(self) -> None:
        await asyncio.sleep(0)
        await super().keep()
        await asyncio.sleep(0)


class AtOnce(OwnProcess):
    """Has some channels executed at once."""

    at_once = 3


@pytest.fixture(autouse=True)
def several_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "OwnReplica", Interleaved)
    monkeypatch.setattr(agent, "OwnProcess", AtOnce)


def test_nodes_that_die_with_results_of_two_channels_noted_and_not_kept_make_both_good(sites: Sites) -> None:
    dealing.test_nodes_that_die_and_lose_a_payload_meanwhile_end_alike(sites)


def test_settlements_across_channels_end_as_where_one_is_executed_after_the_other(sites: Sites) -> None:
    dealing.test_both_sides_are_executed_on_all_members_nodes(sites)


def test_a_void_takes_back_what_was_executed(sites: Sites) -> None:
    losses.test_colluding_custodians_are_named_and_business_goes_on_in_the_new_generation(sites)

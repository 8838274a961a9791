"""A channel in which nothing happens has no open file, and goes on as before when something does."""

import os
from pathlib import Path

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.seat.replicas import REST_MS


def open_files(sites: Sites, name: str, channel: bytes) -> list[str]:
    """The files of a node's replica of a channel that this process has open."""
    replica = str(sites[name].folder / f"{channel.hex()}.db")
    links = (Path("/proc/self/fd") / entry for entry in os.listdir("/proc/self/fd"))
    return [
        target for link in links if link.is_symlink() and (target := os.readlink(link)).startswith(replica)
    ]


def test_a_replica_that_nobody_uses_is_closed_and_opened_again_for_the_next_payment(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        assert open_files(sites, "b", channel)
        await sites.tick(4, after_ms=REST_MS)
        assert open_files(sites, "b", channel) == []
        paid = purse.pay("b", "a", 300)
        await sites.settle()
        assert sites.standing("b", channel, paid) == "confirmed"
        assert purse.balance("a", "a") == 1_300

    run(scene())

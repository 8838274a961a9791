"""Figures of channels: asked over the socket like anything else, and looked up once a second at most."""

import asyncio
import os
from pathlib import Path
from typing import Any

from node.test_channel_metrics import QUIET
from support.channel_nodes import nodes, until
from traco.channels.seat.ports import RootUnavailable
from traco.node.channels.figures_desk import FiguresDesk
from traco.node.channels.link import ChannelsEnd
from traco.node.channels.requests import Denied, FiguresAre, FiguresOf


class Counting:
    """Seats that count looks, and raise what they were given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks, self._error = 0, error

    def figures(self) -> Any:
        self.looks += 1
        if self._error is not None:
            raise self._error
        return QUIET


def test_however_often_it_is_asked_it_looks_once_a_second() -> None:
    seats: Any = Counting()
    times = iter((0.0, 0.5, 0.999, 1.0, 1.5))
    desk = FiguresDesk(seats, lambda: next(times))
    looks = []
    for _ in range(5):
        assert isinstance(desk.figures(FiguresOf()), FiguresAre)
        looks.append(seats.looks)
    assert looks == [1, 1, 1, 2, 2]


def test_the_memory_of_executors_is_counted() -> None:
    seats: Any = Counting()
    alone, like_three = (
        FiguresDesk(seats, executors=lambda count=count: (os.getpid(),) * count).figures(FiguresOf())  # type: ignore[misc]
        for count in (0, 2)
    )
    assert isinstance(alone, FiguresAre)
    assert isinstance(like_three, FiguresAre)
    assert like_three.memory_bytes > 2 * alone.memory_bytes


def test_before_the_ledger_is_founded_there_are_none() -> None:
    seats: Any = Counting(RootUnavailable("the ledger is not founded yet"))
    assert FiguresDesk(seats).figures(FiguresOf()) == Denied("channels.away", "the ledger is not founded yet")


def test_a_node_gives_them_over_its_socket(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            await place.opened("bank", "broker")
            bank = place.sites["bank"]
            assert bank.worker is not None
            await until(lambda: bank.worker.seats.figures().statuses == (("open", 1),))  # type: ignore[union-attr]
            answer = await ChannelsEnd(bank.directory).ask(FiguresOf())
            assert isinstance(answer, FiguresAre)
            assert answer.memory_bytes > 0
            assert [each.member for each in answer.figures.members] == [place.ids["broker"]]
            outsider = await ChannelsEnd(place.sites["outsider"].directory).ask(FiguresOf())
            assert isinstance(outsider, FiguresAre)
            assert outsider.figures.statuses == ()

    asyncio.run(scene())

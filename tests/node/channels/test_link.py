"""The socket between the API and the channels' process."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from traco.node.channels import link
from traco.node.channels.link import ChannelsAway, ChannelsEnd, serve_requests
from traco.node.channels.requests import (
    Answer,
    Condition,
    Conditions,
    ConditionsOf,
    Denied,
    Request,
    StandingIs,
    StandingOf,
)


class Desk:
    """Answers what it is told to."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        return self._answer


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (StandingOf(bytes(32), bytes(32)), StandingIs("received", -1, -1, None, "")),
        (ConditionsOf((bytes(32),)), Conditions((Condition(3, "custody.unavailable", "nobody has it"),))),
        (ConditionsOf(()), Denied("channels.stopped", "it stops")),
    ],
)
def test_requests_and_answers_travel_whole(tmp_path: Path, request_: Request, answer: Answer) -> None:
    async def scene() -> None:
        desk = Desk(answer)
        server = await serve_requests(tmp_path, desk)
        end = ChannelsEnd(tmp_path)
        assert [await end.ask(request_) for _ in range(2)] == [answer, answer]
        assert desk.asked == [request_, request_]
        server.close()
        await server.wait_closed()

    asyncio.run(scene())


def test_what_is_not_answered_when_the_process_ends_leaves_no_connection_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", left.append)

    class Slow(Desk):
        async def answer(self, request: Request) -> Answer:
            self.asked.append(request)
            await asyncio.get_running_loop().create_future()
            raise AssertionError("nobody answers")

    async def scene() -> None:
        desk = Slow(Conditions(()))
        server = await serve_requests(tmp_path, desk)
        asking = asyncio.create_task(ChannelsEnd(tmp_path).ask(ConditionsOf(())))
        while not desk.asked:
            await asyncio.sleep(0)
        server.close()
        asking.cancel()

    asyncio.run(scene())
    gc.collect()
    assert left == []


def test_a_path_may_be_longer_than_a_sockets_name(tmp_path: Path) -> None:
    async def scene() -> None:
        directory = tmp_path / ("n" * 120)
        directory.mkdir()
        server = await serve_requests(directory, Desk(Conditions(())))
        assert await ChannelsEnd(directory).ask(ConditionsOf(())) == Conditions(())
        assert (directory / link.SOCKET_FILE).stat().st_mode & 0o077 == 0
        server.close()
        await server.wait_closed()

    asyncio.run(scene())


def test_a_socket_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    async def scene() -> None:
        for _ in range(2):  # closing leaves the file, as death does
            server = await serve_requests(tmp_path, Desk(Conditions(())))
            assert await ChannelsEnd(tmp_path).ask(ConditionsOf(())) == Conditions(())
            server.close()
            await server.wait_closed()
        with pytest.raises(ChannelsAway):
            await ChannelsEnd(tmp_path).ask(ConditionsOf(()))

    asyncio.run(scene())


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChannelsAway, match=r"node\.log"):
        asyncio.run(ChannelsEnd(tmp_path).ask(ConditionsOf(())))

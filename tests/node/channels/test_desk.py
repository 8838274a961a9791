"""What the API is answered where a channel cannot be asked: a code and a text, and the process goes on."""

import asyncio
from typing import Any

import pytest

from traco.channels.executing.errors import StreamWrong
from traco.channels.seat.errors import BookStopped, KeyMissing, NotHosted
from traco.kernel.errors import Halt
from traco.node.channels.desk import Desk
from traco.node.channels.requests import Denied, ProofOf, StandingOf

CHANNEL, IDENTITY = b"\x07" * 32, b"\x09" * 32


class Failing:
    """Seats that raise what they were given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def standing(self, channel: bytes, identity: bytes) -> Any:
        raise self._error

    proof = standing


def desk(error: Exception, halted: list[Halt]) -> Desk:
    seats: Any = Failing(error)
    nothing: Any = None
    return Desk(seats, nothing, nothing, (), lambda: None, halted.append)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StreamWrong(CHANNEL, "a gap"), "executing.stream"),
        (KeyMissing(CHANNEL, 2), "channel.key_missing"),
        (NotHosted(CHANNEL), "channel.not_hosted"),
    ],
)
@pytest.mark.parametrize("request_", [StandingOf(CHANNEL, IDENTITY), ProofOf(CHANNEL, IDENTITY)])
def test_a_channel_that_cannot_be_asked_is_an_answer(error: Exception, code: str, request_: Any) -> None:
    halted: list[Halt] = []
    answer = asyncio.run(desk(error, halted).answer(request_))
    assert isinstance(answer, Denied)
    assert (answer.code, halted) == (code, [])
    assert answer.text
    assert not answer.text.startswith(code)


def test_what_stops_the_process_is_told_to_it() -> None:
    halted: list[Halt] = []
    answer = asyncio.run(desk(BookStopped("the disk is full"), halted).answer(StandingOf(CHANNEL, IDENTITY)))
    assert (answer, len(halted)) == (
        Denied("channels.stopped", "the channels' process stops; node.log says why"),
        1,
    )

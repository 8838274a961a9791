"""In whose name a call goes out, and what its failure is called."""

import asyncio
from typing import Any

import pytest

from traco.channels.custody.errors import CustodyStopped, TransportFailed
from traco.channels.custody.messages import AllSaid, Fetch, Found, Hold, HoldAll, Refusal, Signed
from traco.channels.custody.receiving import Standing
from traco.channels.seat.messages import GetCopy, Request, answer_codec
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.modules.channel.parts import Terms
from traco.node.channels.calling import Answers, Calling
from traco.node.peering.errors import PeerFailed

A, B, C, D = (name * 16 for name in (b"a", b"b", b"c", b"d"))
CHANNEL, HASH = b"7" * 32, b"8" * 32
FETCH = Fetch(CHANNEL, HASH)
HOLD = Hold(CHANNEL, A, 1, 1, b"x")


class Root:
    """Says who is in the one channel."""

    network, time_ms, max_order_ahead_ms = bytes(32), 0, 0

    def standing(self, channel: bytes) -> Standing | None:
        terms = Terms((A, B), (C,), 0, 2, 1, None, ("holding",))
        return Standing("open", 1, terms) if channel == CHANNEL else None


class Line:
    """The connection of one member, as ``Peers``."""

    def __init__(self, answer: bytes | PeerFailed) -> None:
        self._answer = answer
        self.called: list[tuple[bytes, bytes]] = []

    async def call(self, member: bytes, request: bytes, attempts: int) -> bytes:
        self.called.append((member, request))
        if isinstance(self._answer, PeerFailed):
            raise self._answer
        return self._answer


def calling(lines: dict[bytes, Any]) -> tuple[Calling, list[tuple[bytes, Request]]]:
    asked: list[tuple[bytes, Request]] = []

    async def answer(member: bytes, request: Request) -> Any:
        asked.append((member, request))
        return Refusal("custody.not_held")

    return Calling(lines, Root(), answer), asked


def call(lines: dict[bytes, Any], member: bytes, request: Request) -> Any:
    return asyncio.run(calling(lines)[0].call(member, request))


def test_a_member_of_this_node_is_asked_here_by_another_that_takes_part() -> None:
    made, asked = calling({A: None, B: None, D: None})
    assert asyncio.run(made.call(A, FETCH)) == Refusal("custody.not_held")
    assert asked == [(B, FETCH)]


def test_others_are_asked_in_the_name_of_a_member_that_takes_part() -> None:
    lines = {D: Line(b""), C: Line(encode(Found(b"x")))}
    assert call(lines, A, FETCH) == Found(b"x")
    assert (lines[C].called, lines[D].called) == ([(A, encode(FETCH))], [])


def test_a_copy_of_a_key_is_asked_for_by_the_member_whose_it_is() -> None:
    lines = {A: Line(b""), D: Line(encode(Refusal("custody.not_held")))}
    request = GetCopy(b"9" * 32, 1, D)  # the channel is not open yet, and nobody takes part
    assert call(lines, B, request) == Refusal("custody.not_held")
    assert lines[D].called == [(B, encode(request))]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"nonsense", "custody.answer_wrong"),
        (PeerFailed("peer.busy", A, "takes no more", retry=True), "custody.busy"),
        (PeerFailed("peer.unreachable", A, "is away", retry=True), "custody.unreachable"),
        (PeerFailed("peer.refused", A, "refused", retry=False), "custody.unreachable"),
    ],
)
def test_a_failed_call_has_a_code_of_custody(answer: Any, code: str) -> None:
    with pytest.raises(TransportFailed) as caught:
        call({B: Line(answer)}, A, FETCH)
    assert caught.value.code == code


def test_a_node_without_a_socket_of_its_own_calls_nobody() -> None:
    with pytest.raises(TransportFailed, match=r"channels\.listen"):
        call({B: None}, A, FETCH)


def test_many_payloads_of_a_channel_go_in_one_call_in_the_name_of_a_member_that_takes_part() -> None:
    said, request = AllSaid((Signed(bytes(65)), Refusal("custody.epoch"))), HoldAll((HOLD, HOLD))
    lines = {D: Line(b""), B: Line(encode(said))}
    assert call(lines, A, request) == said
    assert (lines[B].called, lines[D].called) == ([(A, encode(request))], [])


class Custodian:
    """Signs for every other payload."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def answer(self, asked: Any) -> Any:
        self.groups.append(len(asked))
        return [
            Refusal("custody.epoch")
            if each.request.epoch % 2
            else Signed(each.request.epoch.to_bytes(65, "big"))
            for each in asked
        ]


def test_many_payloads_that_come_together_are_answered_in_their_order_and_kept_in_one_step() -> None:
    custodian, stopped = Custodian(), list[Halt]()
    answers: Any = Answers(custodian, None, stopped.append)  # type: ignore[arg-type]
    request = HoldAll(tuple(Hold(CHANNEL, B, epoch, 1, b"x") for epoch in range(1, 9)))
    said = answer_codec.decode(asyncio.run(answers.answer_bytes(A, encode(request))))
    assert isinstance(said, AllSaid)
    assert [isinstance(each, Signed) for each in said.answers] == [False, True] * 4
    assert [each.signature[-1] for each in said.answers if isinstance(each, Signed)] == [2, 4, 6, 8]
    assert custodian.groups == [8]


class Failing:
    """A custodian whose disk has failed."""

    def answer(self, asked: Any) -> Any:
        raise CustodyStopped("the disk")


def test_what_stops_this_node_is_told_and_the_caller_gets_a_refusal() -> None:
    stopped: list[Halt] = []
    answers: Any = Answers(Failing(), None, stopped.append)  # type: ignore[arg-type]
    for request in (FETCH, HoldAll((HOLD, HOLD))):
        assert asyncio.run(answers.answer_bytes(A, encode(request))) == encode(Refusal("custody.busy"))
    assert [str(each) for each in stopped] == ["the disk"] * 2


def test_what_is_no_request_is_refused() -> None:
    answers: Any = Answers(Failing(), None, lambda _: None)  # type: ignore[arg-type]
    assert asyncio.run(answers.answer_bytes(A, b"nonsense")) == encode(Refusal("custody.malformed"))

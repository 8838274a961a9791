"""Errors of HTTP as those of a wire, and the limit of an answer."""

import httpx
import pytest

from traco.client import wire
from traco.client.results import ClientClosed
from traco.client.wire import NoAnswer, Received, connection_options, translated

NOT_SENT = [
    httpx.ConnectError("x"),
    httpx.ConnectTimeout("x"),
    httpx.PoolTimeout("x"),
    httpx.InvalidURL("x"),
    UnicodeError("x"),
]
PERHAPS_SENT = [
    httpx.ReadError("x"),
    httpx.ReadTimeout("x"),
    httpx.WriteError("x"),
    httpx.RemoteProtocolError("x"),
]


@pytest.mark.parametrize("error", [*NOT_SENT, *PERHAPS_SENT], ids=lambda error: type(error).__name__)
def test_an_error_says_whether_the_request_may_have_arrived(error: Exception) -> None:
    with pytest.raises(NoAnswer) as caught, translated(lambda: False):
        raise error
    assert caught.value.may_have_arrived == (error in PERHAPS_SENT)
    assert caught.value.reason


def test_an_error_of_a_wire_that_was_closed_meanwhile_is_that() -> None:
    answers = iter([False, True])
    with pytest.raises(ClientClosed), translated(lambda: next(answers)):
        raise httpx.ReadError("x")


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated(lambda: False):
        raise KeyError


def test_an_answer_beyond_the_limit_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", 10)
    received = Received()
    received.add(b"12345")
    received.add(b"67890")
    assert received.whole() == b"1234567890"
    with pytest.raises(NoAnswer):
        received.add(b"1")


def test_nothing_of_the_environment_stands_between_a_client_and_its_node() -> None:
    assert connection_options("http://node")["trust_env"] is False


def test_the_reason_has_no_number_of_the_operating_system() -> None:
    with pytest.raises(NoAnswer) as caught, translated(lambda: False):
        raise httpx.ConnectError("[Errno 111] Connection refused")
    assert caught.value.reason == "Connection refused"

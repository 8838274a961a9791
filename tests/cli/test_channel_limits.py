"""Limits of a channel, as they are given on the command line."""

import pytest

from traco.cli.channel_limits import limits_of
from traco.cli.problems import CommandProblem
from traco.client.forms import FormInvalid
from traco.modules.channel.parts import Limits


def test_what_is_given_takes_the_place_of_what_is_usual() -> None:
    found = limits_of(["answer_ms=2000", "decision_blocks=1"], Limits(attempt_ms=7_000))
    assert found == Limits(answer_ms=2_000, decision_blocks=1, attempt_ms=7_000)


@pytest.mark.parametrize("text", ["answer_ms", "answer_ms=", "answer_ms=soon", "patience=5", "answer_ms=-5"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(CommandProblem, match="--limit wants NAME=VALUE"):
        limits_of([text], Limits())


def test_a_limit_out_of_bounds_is_refused() -> None:
    with pytest.raises(FormInvalid, match="answer_ms"):
        limits_of(["answer_ms=5"], Limits())

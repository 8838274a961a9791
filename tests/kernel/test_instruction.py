"""What every instruction answers about itself."""

import pytest

from support.counters import SOLO, Add, AddLater
from traco.kernel.instruction import Instruction
from traco.kernel.operations import Approve, Propose, ScheduleUpgrade, SetParameters, Withdraw


def test_an_instruction_must_name_its_actors() -> None:
    with pytest.raises(NotImplementedError):
        Instruction().actors()


def test_the_party_of_an_instruction_acts() -> None:
    assert Add(SOLO, "x", 1).actors() == (SOLO,)


def test_decisions_are_acted_by_every_council_member_named() -> None:
    assert SetParameters((SOLO, bytes(16)), "counter", b"x").actors() == (SOLO, bytes(16))
    assert ScheduleUpgrade((SOLO, bytes(16)), 2, 9).actors() == (SOLO, bytes(16))


def test_nothing_is_at_risk_unless_said() -> None:
    assert AddLater(SOLO, "x", 1).amount_at_risk() is None
    assert Add(SOLO, "x", 7).amount_at_risk() == (b"x".ljust(16, b"\0"), 7)


def test_policies_speak_of_classes_of_business() -> None:
    kinds = (Add, Propose, Approve, Withdraw, SetParameters, ScheduleUpgrade)
    assert [kind.policy_class for kind in kinds] == [
        "trade",
        "approve",
        "approve",
        "approve",
        "govern",
        "govern",
    ]

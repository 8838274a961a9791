"""Errors: their bytes, their texts, and that no code stands for two things."""

import gc
from dataclasses import dataclass, fields, is_dataclass
from string import Formatter
from typing import Any, ClassVar

import pytest

import traco.modules.party.errors  # noqa: F401  that there are classes of a module too
from traco.kernel import batch_hold, errors, operations
from traco.kernel.errors import Failure, Halt, KernelFault, LedgerError, Refused, Rejected, TooLarge


def every(kind: type[Any]) -> list[type[Any]]:
    """The subclasses that the product defines, in order of their names."""
    found = [kind, *(below for child in kind.__subclasses__() for below in every(child))]
    return sorted(
        dict.fromkeys(k for k in found if k.__module__.startswith("traco.") and k.__dict__.get("code")),
        key=lambda k: (str(k.code), str(k.__qualname__)),
    )


gc.collect()  # a class that was replaced when slots were given to it is a subclass until then
CODED = every(Rejected) + every(Refused)


def test_there_are_errors_to_look_at() -> None:
    assert errors.KernelFault in CODED
    assert operations.CouncilNeeded in CODED
    assert batch_hold.BatchHoldEnded in CODED


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in CODED]
    assert codes == list(dict.fromkeys(codes))


@pytest.mark.parametrize("kind", CODED, ids=lambda kind: kind.code)
def test_texts_name_fields_that_exist(kind: Any) -> None:
    assert is_dataclass(kind)
    names = [field.name for field in fields(kind)]
    texts = (kind.__dict__.get("says", ""), kind.__dict__.get("advice", ""))
    used = [name for text in texts for _, name, _, _ in Formatter().parse(text) if name]
    assert [name for name in used if name not in names] == []


def test_a_failure_has_code_and_fields_in_the_order_of_declaration() -> None:
    failure = TooLarge("the block", 5, 4).failure()
    assert failure == Failure("transaction.too_large", (("what", "the block"), ("size", 5), ("limit", 4)))


def test_the_text_names_code_fields_and_advice() -> None:
    assert (
        str(TooLarge("the block", 5, 4)) == "transaction.too_large: the block is 5, the limit is 4. Split it."
    )


def test_bytes_are_shown_in_hex() -> None:
    assert "ff00" in str(errors.PartyUnknown(b"\xff\x00"))


def test_a_text_without_advice_has_no_trailing_space() -> None:
    assert str(errors.InvariantBroken("sum")) == "kernel.invariant: The invariant sum does not hold."


def test_the_tree_is_as_drawn() -> None:
    assert [issubclass(kind, LedgerError) for kind in (Rejected, Refused, Halt)] == [True] * 3
    assert not issubclass(Halt, Rejected | Refused)
    assert issubclass(KernelFault, Rejected)


def test_a_subclass_that_is_no_dataclass_cannot_become_a_failure() -> None:
    class Forgotten(Rejected):
        code: ClassVar[str] = "test.forgotten"

    with pytest.raises(TypeError):
        Forgotten().failure()


def test_a_dataclass_without_fields_has_none() -> None:
    @dataclass(eq=False)
    class Plain(Rejected):
        code: ClassVar[str] = "test.plain"

    assert Plain().failure() == Failure("test.plain", ())

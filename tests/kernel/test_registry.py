"""The composition of a ledger: what may not be declared twice, and the codecs made from declarations."""

from typing import Any, ClassVar

import pytest

from support.counters import Add, Added, AddLater, Bump, CounterModule, FixedAuthority, counter_registry
from traco.kernel.codec import encode
from traco.kernel.errors import Failure
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Module
from traco.kernel.receipt import Receipt
from traco.kernel.registry import Registry, tag_of
from traco.kernel.transaction import Body, Transaction

AUTHORITY = FixedAuthority()


class Second(CounterModule):
    name: ClassVar[str] = "second"
    prefix: ClassVar[int] = 0xE5


class SameName(Module):
    name: ClassVar[str] = "counter"
    prefix: ClassVar[int] = 0xE6


class SamePrefix(Module):
    name: ClassVar[str] = "third"
    prefix: ClassVar[int] = 0xE0


class Empty(Module):
    name: ClassVar[str] = "empty"
    prefix: ClassVar[int] = 0xE7


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (SameName(), "two modules share a name: ['counter', 'counter']"),
        (SamePrefix(), "two modules share a prefix: ['224', '224']"),
    ],
)
def test_names_and_prefixes_are_unique(module: Module, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Registry([CounterModule(), module], AUTHORITY)
    assert str(caught.value) == text


def test_nothing_is_declared_twice() -> None:
    with pytest.raises(ValueError) as caught:
        Registry([CounterModule(), Second()], AUTHORITY)
    assert str(caught.value).startswith("declared twice: ")


def test_declarations_are_found_by_kind_and_name() -> None:
    registry = counter_registry()
    assert registry.instruction_named("counter.add/1") is Add
    assert registry.instruction_named("counter.add/2") is None
    assert tag_of(AddLater) == "counter.add_later/1"
    assert list(registry.due) == ["kernel.proposal_expiry", "counter.later", "counter.drop"]
    assert "counter.above_limit" in registry.errors
    assert Added in registry.event_kinds
    assert list(registry.consequences) == [Bump]
    assert [module.name for module in registry.modules] == ["kernel", "counter"]


def test_ledger_invariants_carry_their_modules_name() -> None:
    module = Empty()
    module.ledger_invariants = (lambda state: ["broken"],)
    registry = Registry([KernelModule(AUTHORITY), module], AUTHORITY)
    assert [name for name, _ in registry.ledger_invariants] == ["empty"]


def test_typed_codecs_have_the_bytes_of_the_untyped_records() -> None:
    registry = counter_registry()
    body = Body(bytes(32), b"", 5, bytes(16), (Add(bytes(16), "x", 1),))
    receipt = Receipt(bytes(32), Failure("a.b", (("c", 1),)), (Added("x", 1),))
    assert encode(registry.body.decode(encode(body))) == encode(body)
    assert registry.body.decode(encode(body)).instructions == body.instructions
    assert encode(registry.transaction.decode(encode(Transaction(body, ())))) == encode(Transaction(body, ()))
    assert registry.receipt.decode(encode(receipt)).events == receipt.events
    assert registry.instructions.decode(encode(body.instructions)) == body.instructions
    assert registry.consequence.decode(encode(Bump("x"))) == Bump("x")


def test_a_ledger_without_consequences_accepts_none() -> None:
    registry = Registry([KernelModule(AUTHORITY)], AUTHORITY)
    for raw in (b"\x90", b"\xc0", encode(Bump("x"))):
        with pytest.raises(ValueError):
            registry.consequence.decode(raw)


def test_a_module_declares_nothing_by_itself() -> None:
    registry = Registry([Empty()], AUTHORITY)
    declared: list[Any] = [registry.handlers, registry.queries, registry.due, registry.errors]
    assert declared == [{}] * 4
    assert (registry.admission, registry.invariants, registry.events) == ((), (), ())

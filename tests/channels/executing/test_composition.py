"""Which modules run inside a channel, and that channels of one process may share them."""

import pytest

from channels.executing.desk import MODULES, Node, Town
from traco.channels.executing import Compositions, CompositionUnknown, RegistryView
from traco.kernel.instruction import KernelParameters
from traco.modules.channel.entries import Tick


def compositions() -> Compositions:
    return Compositions(RegistryView(), KernelParameters())


def names(modules: tuple[str, ...]) -> list[str]:
    return [module.name for module in compositions().of(modules).registry.modules]


def test_legs_come_with_holdings() -> None:
    assert names(("holding",)) == ["kernel", "registry", "holding", "leg"]
    assert names(("document",)) == ["kernel", "registry", "document"]


def test_modules_stand_in_the_order_of_the_root_whatever_the_terms_order() -> None:
    inside = ["kernel", "registry", "holding", "settlement", "document", "financing", "leg"]
    assert names(MODULES) == inside
    assert names(tuple(reversed(MODULES))) == inside


@pytest.mark.parametrize(
    "modules",
    [("party",), ("network",), ("settlement",), ("financing", "holding", "settlement"), ("unheard",)],
)
def test_modules_that_cannot_run_inside_are_refused(modules: tuple[str, ...]) -> None:
    with pytest.raises(CompositionUnknown):
        compositions().of(modules)


def test_a_composition_is_made_once() -> None:
    made = compositions()
    assert made.of(["holding"]) is made.of(("holding",))
    assert made.of(("document",)) is not made.of(("holding",))


def test_channels_of_one_process_do_not_disturb_each_other() -> None:
    first, second = Town(), Town()
    shared = Compositions(RegistryView(), first.founding.genesis.kernel_parameters())
    together = [Node(first, compositions=shared), Node(second, compositions=shared)]
    for town in (first, second):
        town.open()
    second.founding.register("newcomer", sponsor="seller")
    for round_ in range(3):
        for town in (first, second):
            opening, _ = town.account(("seller", "buyer", "court")[round_])
            town.order(town.batch(opening), Tick())
        for node in together:
            node.take_all()
    for node in together:
        alone = Node(node.town)
        assert alone.take_all() == node.executed

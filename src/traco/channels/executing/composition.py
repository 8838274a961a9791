"""The modules that run inside channels, composed over the root's registries.

A channel has the kernel without what governs a network, the check that only active parties act, and those business modules that
its terms name; and legs, where it has holdings. The modules' objects keep nothing of a ledger, so the channels of one process share
a composition.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from traco.channels.executing.errors import CompositionUnknown
from traco.channels.executing.record import PREFIX
from traco.channels.executing.registry_view import (
    RegistryParameters,
    RegistryParties,
    RegistryView,
)
from traco.kernel.instruction import KernelParameters
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Authority, Module
from traco.kernel.operations import ScheduleUpgrade, SetParameters
from traco.kernel.registry import Registry
from traco.kernel.screening import DirectScreener, Screener
from traco.modules.channel.validity import NEEDS
from traco.modules.document.module import DocumentModule
from traco.modules.financing.module import FinancingModule
from traco.modules.holding.module import HoldingModule
from traco.modules.leg.entrance import Door
from traco.modules.leg.keeper import Keeper as Legs
from traco.modules.leg.module import LegModule
from traco.modules.party.admission import ActiveActors
from traco.modules.party.authority import PartyAuthority
from traco.modules.party.errors import PartyClosed, PartyNotFound, PartySuspended
from traco.modules.settlement.module import SettlementModule


class InnerKernel(KernelModule):
    """The kernel's module without what only the network as a whole decides."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        governing = (SetParameters, ScheduleUpgrade)
        self.instructions = {
            kind: handler for kind, handler in self.instructions.items() if kind not in governing
        }


class RegistryModule(Module):
    """Stands for the root's parties inside a channel: only those act that are active there. It has no instructions."""

    name = "registry"
    prefix = PREFIX

    def __init__(self, parties: RegistryParties) -> None:
        super().__init__()
        self.admission = (ActiveActors(parties),)
        self.errors = (PartyNotFound, PartySuspended, PartyClosed)


class Composition(NamedTuple):
    """What runs a channel. ``legs`` is None where it has no holdings: then every leg is refused."""

    registry: Registry
    parameters: RegistryParameters
    screener: Screener
    legs: Legs | None
    door: Door


class Compositions:
    """The compositions of one process over one view of the root, each made when it is first asked for.

    ``limits``: the kernel's as the network was founded with, by which bytes are screened. ``screener`` makes another
    than the one that checks signatures in this process.
    """

    def __init__(
        self, view: RegistryView, limits: KernelParameters, screener: Callable[[Registry], Screener] | None = None
    ) -> None:  # fmt: skip
        self.view = view
        self._limits = limits
        self._screener = screener
        self._made: dict[tuple[str, ...], Composition] = {}

    def of(self, modules: Sequence[str]) -> Composition:
        """The composition for terms with these modules. Raises ``CompositionUnknown``."""
        names = tuple(modules)
        if names not in self._made:
            self._made[names] = self._compose(names)
        return self._made[names]

    def _compose(self, names: tuple[str, ...]) -> Composition:
        if not all(name in NEEDS and all(other in names for other in NEEDS[name]) for name in names):
            raise CompositionUnknown(names)
        parties, door = RegistryParties(self.view), Door()
        authority = PartyAuthority(parties)
        holding = HoldingModule(parties)
        settlement = SettlementModule(parties, holding.keeper)
        document = DocumentModule(parties)
        financing = FinancingModule(parties, holding.keeper, settlement.keeper, document.keeper)
        leg = LegModule(holding.keeper, door)
        # The order is that of hooks and migrations: a consensus value, the same as on the root.
        chosen = [module for module in (holding, settlement, document, financing) if module.name in names]
        with_legs = [leg] if holding in chosen else []
        modules = [InnerKernel(authority), RegistryModule(parties), *chosen, *with_legs]
        registry = Registry(modules, authority)
        declared = {module.name: module.parameters for module in modules if module.parameters is not None}
        screener = (
            DirectScreener(registry.body, self._limits)
            if self._screener is None
            else self._screener(registry)
        )
        parameters = RegistryParameters(self.view, declared)
        return Composition(registry, parameters, screener, leg.keeper if with_legs else None, door)

"""The ledger's composition: which modules there are, in which order, and who is given what."""

from traco.kernel.kernel_module import KernelModule
from traco.kernel.registry import Registry
from traco.modules.channel.keeper import Keeper as ChannelKeeper
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.root_legs import RootLegs
from traco.modules.document.module import DocumentModule
from traco.modules.financing.module import FinancingModule
from traco.modules.holding.module import HoldingModule
from traco.modules.leg.module import LegModule
from traco.modules.network.module import NetworkModule
from traco.modules.party.module import PartyModule
from traco.modules.settlement.module import SettlementModule


def compose() -> Registry:
    """The modules of this release. Their order is the order of hooks, genesis and migrations: a consensus value."""
    party = PartyModule()
    holding = HoldingModule(party.keeper, channels=ChannelKeeper())
    settlement = SettlementModule(party.keeper, holding.keeper)
    document = DocumentModule(party.keeper)
    financing = FinancingModule(party.keeper, holding.keeper, settlement.keeper, document.keeper)
    network = NetworkModule(party.keeper, party.founders)
    root_legs = RootLegs(party.authority)
    leg = LegModule(holding.keeper, root_legs)
    channel = ChannelModule(party.keeper, root_legs, leg.keeper)
    modules = (
        KernelModule(party.authority), party, holding, settlement, document, financing, network, leg, channel,
    )  # fmt: skip
    return Registry(modules, party.authority)

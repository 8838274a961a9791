"""The network module: what it adds to a ledger, from protocol 2 on."""

from collections.abc import Mapping
from typing import Any

from traco.kernel.module import Context, Module
from traco.modules.network import events, genesis, invariants, messages
from traco.modules.network.errors import ERRORS
from traco.modules.network.handlers import Handlers
from traco.modules.network.keeper import Keeper
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.ports import Founders, Members
from traco.modules.network.queries import Queries
from traco.modules.network.state import PREFIX


class NetworkModule(Module):
    """The nodes of the network and who orders; ``keeper`` is for engine and node, which read it after every block."""

    name = "network"
    prefix = PREFIX
    since_protocol = 2

    def __init__(self, members: Members, founders: Founders) -> None:
        super().__init__()
        self.keeper = Keeper()
        self._members = members
        self._founders = founders
        handlers = Handlers(self.keeper, members)
        self.instructions = {
            messages.AdmitNode: handlers.admit,
            messages.PromoteNode: handlers.promote,
            messages.DemoteNode: handlers.demote,
            messages.RemoveNode: handlers.remove,
            messages.ReportReady: handlers.report_ready,
            messages.UpdateNode: handlers.update,
            messages.RotateNode: handlers.rotate,
        }
        self.events = (
            events.NodeAdmitted, events.NodePromoted, events.NodeDemoted, events.NodeRemoved, events.NodeReady,
            events.NodeUpdated, events.NodeRotated,
        )  # fmt: skip
        self.errors = ERRORS
        self.queries = Queries(self.keeper).declared()
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)
        self.parameters = NetworkParameters()

    def found(self, context: Context, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the founding nodes; their members are named by their place in the parties' object."""
        genesis.found(self.keeper, self._members, self._founders, context, sections)

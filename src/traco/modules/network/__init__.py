"""The network: which nodes take part in the engine, who orders with which power, and where they stand."""

from traco.modules.network.keeper import Keeper
from traco.modules.network.module import NetworkModule

__all__ = ["Keeper", "NetworkModule"]

"""Block 0: the genesis document becomes the first state."""

from typing import Any

import msgspec

from traco.kernel.errors import Rejected
from traco.kernel.execution import Execution
from traco.kernel.genesis import Genesis, GenesisInvalid, named
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import (
    NEWEST_PROTOCOL,
    OLDEST_PROTOCOL,
    Protocol,
    write_protocol,
)
from traco.kernel.registry import Registry
from traco.kernel.state import State


def found(
    genesis: Genesis, registry: Registry, parameters: Parameters, state: State, block: BlockContext
) -> None:  # fmt: skip
    """Write parameters, protocol and every module's section into an empty state. Raises ``GenesisInvalid``."""
    if not OLDEST_PROTOCOL <= genesis.protocol <= NEWEST_PROTOCOL:
        raise GenesisInvalid(f"this software has no protocol {genesis.protocol}")
    write_protocol(state, Protocol(genesis.protocol, 0, 0))
    _found_parameters(genesis.parameters, parameters, state)
    names = [module.name for module in registry.modules]
    unknown = sorted(genesis.modules.keys() - set(names))
    if unknown:
        raise GenesisInvalid(f"no module {unknown[0]}")
    limits = genesis.kernel_parameters()
    context = Execution(registry, parameters, state, block, block.network, (), limits)
    for module in registry.modules:
        try:
            module.genesis(context, genesis.modules.get(module.name, {}))
        except (ValueError, Rejected) as error:
            raise GenesisInvalid(f"modules.{module.name}: {error}") from None


def _found_parameters(sections: dict[str, dict[str, Any]], parameters: Parameters, state: State) -> None:
    unknown = sorted(sections.keys() - set(parameters.owners()))
    if unknown:
        raise GenesisInvalid(f"{unknown[0]} has no parameters")
    for owner, kind in parameters.kinds():
        try:
            record = msgspec.convert(named(sections.get(owner, {}), kind), kind)
        except ValueError as error:
            raise GenesisInvalid(f"parameters.{owner}: {error}") from None
        parameters.put(state, 0, record)

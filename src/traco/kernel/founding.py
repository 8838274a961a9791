"""Block 0: the genesis document becomes the first state."""

from collections.abc import Sequence
from typing import Any

import msgspec

from traco.kernel.errors import Rejected
from traco.kernel.execution import Execution
from traco.kernel.genesis import Genesis, GenesisInvalid, named
from traco.kernel.module import BlockContext, Module
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
    modules = [module for module in registry.modules if module.since_protocol <= genesis.protocol]
    later = [module for module in registry.modules if module.since_protocol > genesis.protocol]
    _refuse_sections(genesis, later)
    _found_parameters(genesis.parameters, parameters, state, [module.name for module in later])
    unknown = sorted(genesis.modules.keys() - registry.since_protocol.keys())
    if unknown:
        raise GenesisInvalid(f"no module {unknown[0]}")
    limits = genesis.kernel_parameters()
    context = Execution(registry, parameters, state, block, block.network, (), limits)
    for module in modules:
        try:
            module.found(context, genesis.modules)
        except (ValueError, Rejected) as error:
            raise GenesisInvalid(f"modules.{module.name}: {error}") from None


def _refuse_sections(genesis: Genesis, later: Sequence[Module]) -> None:
    """A document must not speak of a module that comes with a later protocol than its own."""
    for module in later:
        if module.name in genesis.modules or module.name in genesis.parameters:
            raise GenesisInvalid(
                f"module {module.name} comes with protocol {module.since_protocol}, the document founds {genesis.protocol}"
            )


def _found_parameters(
    sections: dict[str, dict[str, Any]], parameters: Parameters, state: State, left_out: Sequence[str]
) -> None:
    unknown = sorted(sections.keys() - set(parameters.owners()))
    if unknown:
        raise GenesisInvalid(f"{unknown[0]} has no parameters")
    for owner, kind in parameters.kinds():
        if owner in left_out:
            continue
        try:
            record = msgspec.convert(named(sections.get(owner, {}), kind), kind)
        except ValueError as error:
            raise GenesisInvalid(f"parameters.{owner}: {error}") from None
        parameters.put(state, 0, record)

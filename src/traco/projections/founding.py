"""What the genesis document founds: parties and instruments without events, because block 0 has none.

The founding is run again in memory, so that the rows are those of height 0 whenever they are made.
"""

from typing import Final

from traco.kernel.codec import ROOT
from traco.kernel.founding import found
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.modules.holding.state import INSTRUMENTS
from traco.modules.party.state import parties
from traco.projections.registers import Registers

_PAGE: Final = 1_000


def put_founding(registers: Registers, registry: Registry, genesis: bytes) -> None:
    """Put what the genesis document founds into the registers. Raises ``GenesisInvalid``."""
    state = _founding_state(registry, genesis)
    after = b""
    while page := parties.scan(state, after=after, limit=_PAGE):
        for identity, party in page:
            registers.put_party(identity, party, 0)
        after = page[-1][0]
    after = b""
    while listed := INSTRUMENTS.scan(state, after=after, limit=_PAGE):
        for identity, instrument in listed:
            registers.put_instrument(identity, instrument, 0)
        after = listed[-1][0]


def _founding_state(registry: Registry, raw: bytes) -> State:
    genesis = parse_genesis(raw)
    defaults = {
        module.name: module.parameters for module in registry.modules if module.parameters is not None
    }
    state = State(StateTree())
    block = BlockContext(network_id(genesis), ROOT, 0, genesis.time_ms, genesis.protocol)
    found(genesis, registry, Parameters(defaults), state, block)
    return state

"""What the light rules take from a genesis document: the name of the chain and its first validators."""

import re
from typing import Any, Final, Protocol

from traco.kernel.light.records import (
    MAX_TOTAL_POWER,
    MAX_VALIDATORS,
    Validator,
    ValidatorSet,
    in_order,
)

_CHAIN_PREFIX: Final = "traco-"
_CHAIN_DIGITS: Final = 40
_PLACE: Final = "modules.network.nodes"
# Whether it is a point of the curve is for the module to judge, when it founds the ledger.
_CONSENSUS_KEY: Final = re.compile(r"01[0-9a-f]{64}")


class Founding(Protocol):
    """A genesis document, as far as it is read here."""

    @property
    def modules(self) -> dict[str, dict[str, Any]]:
        """One object per module."""


def chain_id(network: bytes) -> str:
    """The engine's name for the chain of the network with this id: the engine allows 50 characters."""
    return _CHAIN_PREFIX + network.hex()[:_CHAIN_DIGITS]


def founding_validators(genesis: Founding) -> ValidatorSet:
    """The validators that a genesis founds the chain with: the nodes of that role in the section of module network.

    Raises ``ValueError``, whose text says what is wrong and where.
    """
    nodes = genesis.modules.get("network", {}).get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ValueError(f"{_PLACE} is not a list of objects")
    found = [
        _validator(node, f"{_PLACE}[{position}]")
        for position, node in enumerate(nodes)
        if node.get("role") == "validator"
    ]
    if not 1 <= len(found) <= MAX_VALIDATORS:
        raise ValueError(f"{_PLACE} names {len(found)} validators, 1 to {MAX_VALIDATORS} can found a chain")
    if len({each.key for each in found}) < len(found):
        raise ValueError(f"{_PLACE} names a consensus key twice")
    if sum(each.power for each in found) > MAX_TOTAL_POWER:
        raise ValueError(f"{_PLACE} gives more than {MAX_TOTAL_POWER} power")
    return in_order(found)


def _validator(node: dict[str, Any], place: str) -> Validator:
    written, power = node.get("consensus"), node.get("power")
    if not isinstance(written, str) or not _CONSENSUS_KEY.fullmatch(written):
        raise ValueError(f"{place}.consensus is not an ed25519 key in lower-case hex, scheme byte first")
    if type(power) is not int or not 1 <= power <= MAX_TOTAL_POWER:
        raise ValueError(f"{place}.power is not an integer from 1 to {MAX_TOTAL_POWER}")
    return Validator(bytes.fromhex(written), power)

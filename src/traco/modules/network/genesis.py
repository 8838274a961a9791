"""The module's part of the genesis: the nodes that the network begins with. Format of ``modules.network``:

    {"nodes": [{"member": "Example Bank", "key": "<hex, node key>", "consensus": "<hex>", "peer": "<40 hex digits>",
                "address": "node.example:26656", "gateway": "https://gateway.example", "role": "validator", "power": 1,
                "placement": {"operator": "Example Bank", "provider": "aws", "region": "eu-central-1", "zone": "a"}}]}

``member`` is a founding member's name, or its index in ``modules.party.members``, where ``key`` must stand among its nodes.
Keys begin with their scheme byte. ``gateway``, ``placement`` and its fields may be missing. An observer's power is 0. ``role``
and ``power`` have no defaults, because the light rules read them too (``kernel.light.founding``). The shares of voting power
must be within the founded limits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from traco.kernel.genesis import hex_bytes
from traco.kernel.module import Context
from traco.modules.network import shares
from traco.modules.network.handlers import check_record
from traco.modules.network.keeper import Keeper
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.ports import Founders, Members
from traco.modules.network.state import NodeRecord, OperatorName, Place, Placement, Role


class GenesisPlacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a node stands, as ``Placement``."""

    operator: OperatorName = ""
    provider: Place = ""
    region: Place = ""
    zone: Place = ""


class GenesisNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node as people write it."""

    member: int | str
    key: str
    consensus: str
    peer: str
    address: str
    role: Role
    power: int
    gateway: str = ""
    placement: GenesisPlacement = GenesisPlacement()


class NetworkSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The object ``modules.network`` of the genesis document."""

    nodes: tuple[GenesisNode, ...] = ()


def found(
    keeper: Keeper, members: Members, founders: Founders, context: Context,
    sections: Mapping[str, Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write the nodes. Raises ``ValueError`` or ``Rejected``, which the kernel reports with the place."""
    parsed = msgspec.convert(sections.get("network", {}), NetworkSection)
    known = founders(sections.get("party", {})) if parsed.nodes else ()
    for node in parsed.nodes:
        record = _record(node, _member(node.member, known))
        check_record(context, members, record)
        keeper.admit(context, record)
    limits = context.parameters(NetworkParameters)
    validators = keeper.validator_nodes(context.state)
    for record in validators:
        shares.check_provider(validators, record.placement.provider, limits)
        shares.check_region(validators, record.placement.region, limits)


def _member(given: int | str, known: Sequence[tuple[str, bytes]]) -> bytes:
    named = [identity for index, (name, identity) in enumerate(known) if given in (index, name)]
    if not named:
        raise ValueError(f"a node names {given}, which is no founding member")
    if len(named) > 1:
        raise ValueError(f"two founding members are called {given}; give the index")
    return named[0]


def _record(node: GenesisNode, member: bytes) -> NodeRecord:
    if (node.power > 0) != (node.role == "validator"):
        raise ValueError(
            f"a node is {node.role} with power {node.power}; observers have 0, validators 1 or more"
        )
    placement = node.placement
    record = NodeRecord(
        member, hex_bytes(node.key), hex_bytes(node.consensus), hex_bytes(node.peer), node.address, node.gateway,
        Placement(placement.operator, placement.provider, placement.region, placement.zone), node.role,
        node.power, 0,
    )  # fmt: skip
    # the constructors do not check lengths and bounds; the conversion does
    return msgspec.convert(msgspec.to_builtins(record, builtin_types=(bytes,)), NodeRecord)

"""Reads of the network's nodes on committed state. Before protocol 2 there are none, and the answers say so."""

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec

from traco.kernel.codec import Height, PublicKey, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.network import shares
from traco.modules.network.keeper import Keeper
from traco.modules.network.state import MAX_POWER, MAX_VALIDATORS, NodeRecord

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
_ALL = 4_096  # the most nodes that the parameters allow
TotalPower = Annotated[int, msgspec.Meta(ge=0, le=MAX_POWER * MAX_VALIDATORS)]


class ListNodes(Record, frozen=True):
    """Asks for a page of admitted nodes in the order of node keys, behind ``after``."""

    after: PublicKey | None = None
    limit: PageLimit = 100


class GetNode(Record, frozen=True):
    """Asks for the admitted node with a node key."""

    key: PublicKey


class GetNodeAtHeight(Record, frozen=True):
    """Asks for a node as committed by block ``height``."""

    key: PublicKey
    height: Height


class GetValidators(Record, frozen=True):
    """Asks who orders."""


class GetPlacement(Record, frozen=True):
    """Asks how nodes and voting power are spread."""


class NodePage(Record, frozen=True):
    """A page of nodes. ``next_after`` resumes behind it; None where it is the last."""

    nodes: tuple[NodeRecord, ...]
    next_after: PublicKey | None


class Validators(Record, frozen=True):
    """The validators in order of consensus keys, and their power together.

    ``greatest_loss`` is the most power that can fail while the network goes on: less than a third of all.
    ``tolerates_one`` says whether it goes on without any one validator.
    """

    validators: tuple[NodeRecord, ...]
    total_power: TotalPower
    greatest_loss: TotalPower
    tolerates_one: bool


class PlaceShare(Record, frozen=True):
    """What stands in one place, and is lost with it: nodes (each has all data), validators, voting power.

    ``place`` is empty for nodes whose member does not say. ``goes_on`` says whether the network goes on without it,
    ``data_stays`` whether a node elsewhere has all data.
    """

    place: str
    nodes: int
    validators: int
    power: TotalPower
    share_ppm: int
    goes_on: bool
    data_stays: bool


class Spread(Record, frozen=True):
    """How nodes and voting power are spread, the greatest power first."""

    nodes: int
    total_power: TotalPower
    operators: tuple[PlaceShare, ...]
    providers: tuple[PlaceShare, ...]
    regions: tuple[PlaceShare, ...]


class Queries:
    """Answers from a keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> Mapping[str, Query]:
        """The queries by name."""
        return {
            "network.nodes": Query(ListNodes, self.nodes, "A page of the admitted nodes."),
            "network.node": Query(GetNode, self.node, "An admitted node."),
            "network.node_at_height": Query(GetNodeAtHeight, self.node_at_height, "A node as of a block."),
            "network.validators": Query(GetValidators, self.validators, "Who orders, with which power."),
            "network.placement": Query(
                GetPlacement, self.placement, "What is lost with each operator, provider or region."
            ),
        }

    def nodes(self, state: State, request: ListNodes) -> NodePage:
        """A page of nodes."""
        found = self._keeper.page(state, request.after or b"", request.limit + 1)
        records = tuple(record for _, record in found[: request.limit])
        return NodePage(records, records[-1].key if len(found) > request.limit else None)

    def node(self, state: State, request: GetNode) -> NodeRecord | None:
        """The node, or None."""
        return self._keeper.node(state, request.key)

    def node_at_height(self, state: State, request: GetNodeAtHeight) -> NodeRecord | None:
        """The node as of the height, or None where it was not admitted or that is beyond the horizon."""
        return self._keeper.as_of(state, request.height, request.key)

    def validators(self, state: State, request: GetValidators) -> Validators:
        """The validators; none where the network has an engine without."""
        validators = self._keeper.validators(state)
        total = shares.total_of(validators)
        records = tuple(self._keeper.validator_nodes(state))
        return Validators(records, total, max(0, total - 1) // 3, shares.tolerates_one(validators))

    def placement(self, state: State, request: GetPlacement) -> Spread:
        """How nodes and voting power are spread."""
        records = [record for _, record in self._keeper.page(state, b"", _ALL)]
        total = sum(record.power for record in records)
        return Spread(
            len(records), total, _spread(records, lambda record: record.placement.operator),
            _spread(records, shares.provider_of), _spread(records, shares.region_of),
        )  # fmt: skip


def _spread(records: list[NodeRecord], place_of: Callable[[NodeRecord], str]) -> tuple[PlaceShare, ...]:
    """One row for each place, the greatest power first, equal ones by name."""
    here: dict[str, list[NodeRecord]] = {}
    for record in records:
        here.setdefault(place_of(record), []).append(record)
    total = sum(record.power for record in records)
    rows = []
    for place, standing in here.items():
        power = sum(record.power for record in standing)
        rows.append(
            PlaceShare(
                place, len(standing), sum(record.power > 0 for record in standing), power, shares.share_ppm(power, total),
                shares.goes_on_without(power, total), len(standing) < len(records),
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (-row.power, row.place)))

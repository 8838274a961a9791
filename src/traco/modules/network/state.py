"""The records of the network's nodes and their indexes, and the keys under which they stand.

nodes        by height   node key -> ``NodeRecord``
consensus                consensus key -> the one node that has it, or had it: a key never comes back
peers                    peer id -> the one node that has it
validators               () -> ``ValidatorSet``, where there ever was a validator
census                   () -> ``Census``, where there ever was a node

A node key may be of either scheme. Its scheme byte says how long it is, so none is the beginning of another.
"""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.by_height import HeightTable
from traco.kernel.codec import Count, Height, Id, PublicKey, Record
from traco.kernel.state import Table

PREFIX: Final = 0x06
NODES: Final = 0x01
REPLACED_NODES: Final = 0x02
CONSENSUS: Final = 0x03
PEERS: Final = 0x04
VALIDATORS: Final = 0x05
CENSUS: Final = 0x06

MAX_VALIDATORS: Final = (
    128  # every vote of each goes to all others, and each block carries a signature of each
)
MAX_POWER: Final = 1_000_000  # of one validator; all together stay far below what the engine can add up

Role = Literal["observer", "validator"]
ConsensusKey = Annotated[bytes, msgspec.Meta(min_length=33, max_length=33)]  # scheme byte + raw, ed25519 only
PeerId = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
Power = Annotated[int, msgspec.Meta(ge=0, le=MAX_POWER)]
VotingPower = Annotated[int, msgspec.Meta(ge=1, le=MAX_POWER)]
Address = Annotated[
    str, msgspec.Meta(min_length=3, max_length=261)
]  # host:port, see ``validity.check_address``
Gateway = Annotated[str, msgspec.Meta(max_length=256)]  # a URL or empty, see ``validity.check_gateway``
# Codes, so that one provider has one spelling: what the shares of voting power are counted by.
Place = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^([a-z0-9][a-z0-9._/:-]*)?\Z")]
# Printable, without characters that change the direction of what is written or cannot be seen.
OperatorName = Annotated[
    str,
    msgspec.Meta(
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]*\Z",
    ),
]


class Placement(Record, frozen=True):
    """Where a node stands and who runs it, as its member says. Codes in lower case, or empty.

    ``operator`` runs it, ``provider`` is whose machines they are (a cloud, or the member itself), ``region`` and ``zone``
    are the provider's own names or those of a place. Nodes that do not say count as one.
    """

    operator: OperatorName = ""
    provider: Place = ""
    region: Place = ""
    zone: Place = ""


class NodeRecord(Record, frozen=True, tag=1):
    """An admitted node. ``key`` signs its envelopes, ``consensus`` its votes, ``peer`` is its id among the engines.

    ``power`` is 0 for observers. ``ready_height``: up to where it had followed when its member last said that it is ready
    to order; 0 where it never did since it became what it is.
    """

    member: Id
    key: PublicKey
    consensus: ConsensusKey
    peer: PeerId
    address: Address
    gateway: Gateway
    placement: Placement
    role: Role
    power: Power
    ready_height: Height


class ConsensusUse(Record, frozen=True, tag=1):
    """Which node has a consensus key, or, once ``retired``, had it last."""

    node: PublicKey
    retired: bool


class NodeOf(Record, frozen=True, tag=1):
    """The node that has a peer id."""

    node: PublicKey


class ValidatorSet(Record, frozen=True, tag=1):
    """Who orders: consensus keys in ascending order, each with its power. Never empty."""

    validators: Annotated[
        tuple[tuple[ConsensusKey, VotingPower], ...], msgspec.Meta(min_length=1, max_length=MAX_VALIDATORS)
    ]


class Census(Record, frozen=True, tag=1):
    """How many nodes are admitted; and a number that grows with every change of any, for who keeps a copy of them."""

    nodes: Count
    revision: Height


nodes: Final[HeightTable[NodeRecord]] = HeightTable(PREFIX, NODES, REPLACED_NODES, NodeRecord)
consensus_keys: Final[Table[ConsensusUse]] = Table(PREFIX, CONSENSUS, ConsensusUse)
peers: Final[Table[NodeOf]] = Table(PREFIX, PEERS, NodeOf)
validator_sets: Final[Table[ValidatorSet]] = Table(PREFIX, VALIDATORS, ValidatorSet)
censuses: Final[Table[Census]] = Table(PREFIX, CENSUS, Census)

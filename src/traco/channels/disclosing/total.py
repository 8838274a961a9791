"""How much there is of an instrument over the root and all channels of its registrar, at one block of the root.

A decision about a settlement is an entry of every channel that it touches at one position of the root. So at any block nothing is
in transit: what left one ledger has entered the other, or neither happened.

    root      the instrument's supply, and what each channel took in over its public edge, proven under the state root of the block
    channels  the supply, proven under the state of the last point up to the block; its blinded digest is what the root confirmed

Proofs of a channel's state are not for outsiders. This one is a disclosure to a regulator, made on purpose by a member: it tells the
instrument's total in each channel, and where there is none, the hash of a neighbouring record; nothing else of the state.
"""

from typing import Annotated, Final, NamedTuple, Protocol

import msgspec

from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.form import MAX_LINKS
from traco.channels.disclosing.root import AuditedRoot
from traco.kernel.codec import Codec, Hash, Height, Id, Record
from traco.kernel.genesis import network_id
from traco.kernel.merkle import ProofInvalid
from traco.kernel.receipt import app_hash
from traco.kernel.state import State
from traco.kernel.stateproof import StateProof, verify_absence, verify_presence
from traco.modules.channel.digests import PointSummary, blinded, point_digest
from traco.modules.channel.events import Confirmed, Entered
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import ChannelId
from traco.modules.channel.state import Edge, channels, edges
from traco.modules.holding.state import SUPPLIES, Supply

MAX_BYTES: Final = 67_108_864
HEAD_BYTES: Final = 32
_TAG: Final = b"traco.channel-total/"
_PAGE: Final = 256


class ProvenValue(Record, frozen=True):
    """A value of a state, None where the key has none, with what shows that."""

    value: bytes | None
    proof: StateProof


class ChannelTotal(Record, frozen=True):
    """The instrument in one channel. ``summary`` is of its last point up to the file's block; ``links`` lead to one that the root
    confirmed in block ``confirmed_height``.
    """

    channel: ChannelId
    edge: ProvenValue
    summary: PointSummary
    blind: Hash
    state_root: Hash
    history_root: Hash
    history_size: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    supply: ProvenValue
    links: Annotated[tuple[PointSummary, ...], msgspec.Meta(max_length=MAX_LINKS)]
    confirmed_height: Height


class TotalFile(Record, frozen=True, tag="traco.channel-total/1"):
    """The file. ``height``: the block of the root that everything is as of; ``supply``: the root's own."""

    network: Hash
    member: Id
    instrument: Id
    height: Height
    supply: ProvenValue
    channels: tuple[ChannelTotal, ...]


class ChannelRow(NamedTuple):
    """One ledger: what is outstanding there, of that what came in over its public edge, and what undecided attempts promise.

    ``channel`` is empty for the root, which has no edge.
    """

    channel: bytes
    point: int
    outstanding: int
    imported: int
    incoming: int
    outgoing: int


class TotalReport(NamedTuple):
    """What a file shows. ``total`` is what is outstanding over all ledgers; nothing is in two of them."""

    member: bytes
    instrument: bytes
    height: int
    total: int
    rows: tuple[ChannelRow, ...]


class TotalRoot(AuditedRoot, Protocol):
    """The root as the regulator's own node has it."""

    def state_root(self, height: int) -> bytes | None:
        """The state root after a block, or None where it is not here."""


_FILE: Final[Codec[TotalFile]] = Codec(TotalFile)
_SUPPLY: Final[Codec[Supply]] = Codec(Supply)
_EDGE: Final[Codec[Edge]] = Codec(Edge)
_NO_EDGE: Final = Edge(0, 0, 0)


def supply_key(instrument: bytes) -> bytes:
    """Where a ledger's state has how much of an instrument there is."""
    return SUPPLIES.key(instrument)


def edge_key(instrument: bytes, channel: bytes) -> bytes:
    """Where the root's state has what a channel took in of an instrument."""
    return edges.key(instrument, channel)


def looks_like_total(head: bytes) -> bool:
    """Whether the first bytes of a file, ``HEAD_BYTES`` of them, say that it is one."""
    return _TAG in head


def check_total(raw: bytes, root: TotalRoot) -> TotalReport:
    """What a file shows, by the root that somebody has. Raises ``DisclosureRefused``."""
    file = _read(raw)
    if file.network != network_id(root.genesis):
        raise _refused("other_network", "is of another network than this node's ledger")
    state_root = root.state_root(file.height)
    if state_root is None:
        raise _refused("root_too_young", f"is as of block {file.height}, which this node does not have (yet)")
    rows = [
        ChannelRow(b"", 0, _outstanding(file.supply, file.instrument, state_root, "of the root"), 0, 0, 0)
    ]
    rows += [_row(file, each, state_root) for each in file.channels]
    _require_places(file, root)
    _require_complete(file, root)
    return TotalReport(
        file.member, file.instrument, file.height, sum(row.outstanding for row in rows), tuple(rows)
    )


def _read(raw: bytes) -> TotalFile:
    if len(raw) > MAX_BYTES:
        raise _refused("malformed", "is too large")
    try:
        file = _FILE.decode(raw)
    except ValueError as error:
        raise _refused("malformed", f"cannot be read ({error})") from None
    ids = [each.channel for each in file.channels]
    if ids != sorted(set(ids)):
        raise _refused("malformed", "has a channel twice, or not in order")
    return file


def _row(file: TotalFile, each: ChannelTotal, root: bytes) -> ChannelRow:
    where = f"of channel {each.channel.hex()}"
    value = _proven(each.edge, edge_key(file.instrument, each.channel), root, f"{where} on the root")
    edge = _NO_EDGE if value is None else _EDGE.trusted(value)
    found = app_hash(each.state_root, each.history_root, each.history_size)
    if each.summary.channel != each.channel or blinded(each.blind, found) != each.summary.state:
        raise _refused("wrong_state", f"has a state {where} that its point is not of")
    outstanding = _outstanding(each.supply, file.instrument, each.state_root, where)
    return ChannelRow(
        each.channel, each.summary.ordinal, outstanding, edge.imported, edge.incoming, edge.outgoing
    )


def _outstanding(proven: ProvenValue, instrument: bytes, root: bytes, where: str) -> int:
    value = _proven(proven, supply_key(instrument), root, where)
    return 0 if value is None else _SUPPLY.trusted(value).outstanding


def _proven(proven: ProvenValue, key: bytes, root: bytes, where: str) -> bytes | None:
    try:
        if proven.value is None:
            verify_absence(proven.proof, key, root)
        else:
            verify_presence(proven.proof, key, proven.value, root)
    except ProofInvalid as error:
        raise _refused("wrong_proof", f"does not prove the state {where}: {error.reason}") from None
    return proven.value


def _require_places(file: TotalFile, root: TotalRoot) -> None:
    """Each channel's point is the last one up to the block, and what the root confirmed."""
    following = _following(file, root)
    for each in file.channels:
        digest, summary = point_digest(each.summary), each.summary
        for link in each.links:
            if (link.channel, link.ordinal, link.previous) != (each.channel, summary.ordinal + 1, digest):
                raise _refused(
                    "wrong_point", f"has points of channel {each.channel.hex()} that do not follow each other"
                )
            digest, summary = point_digest(link), link
        blocks = [
            block
            for block in root.blocks(each.confirmed_height - 1, 1)
            if block.height == each.confirmed_height
        ]
        said = [event for block in blocks for event in block.events]
        if Confirmed(each.channel, summary.ordinal, digest) not in said:
            raise _refused(
                "not_confirmed",
                f"has a state of channel {each.channel.hex()} that the root did not confirm in block {each.confirmed_height}",
            )
        if following[each.channel] != each.summary.ordinal + 1:
            raise _refused(
                "wrong_point",
                f"has a point of channel {each.channel.hex()} that is not its last one up to the block",
            )


def _following(file: TotalFile, root: TotalRoot) -> dict[bytes, int]:
    """By channel, the ordinal of the first point behind the block; of one that has none yet, the one that it will have."""
    keeper, found = Keeper(), dict[bytes, int]()
    with root.reading() as reading:
        waiting = {each.channel: keeper.stream(reading.state, each.channel) for each in file.channels}
    for channel in [each for each, stream in waiting.items() if stream.height <= file.height]:
        found[channel] = waiting.pop(channel).ordinal + 1
    after = file.height
    while waiting:
        height = after
        for block in root.blocks(after, _PAGE):
            height = block.height
            for event in block.events:
                if isinstance(event, Entered) and event.context is not None and event.channel in waiting:
                    found[event.channel] = event.context.ordinal
                    del waiting[event.channel]
        if height == after:
            raise _refused(
                "root_too_young", "has channels of which this node's blocks do not tell the points"
            )
        after = height
    return found


def _require_complete(file: TotalFile, root: TotalRoot) -> None:
    """No channel is left out in which the member was at the block."""
    given = {each.channel for each in file.channels}
    with root.reading() as reading:
        for channel in channels_of(reading.state, file.height, file.member):
            if channel not in given:
                raise _refused(
                    "incomplete", f"leaves out channel {channel.hex()}, in which the member was at that block"
                )


def channels_of(state: State, height: int, member: bytes) -> list[bytes]:
    """The channels that had begun by a block and had the organisation as a member then, in order."""
    found, after = list[bytes](), b""
    while page := channels.scan(state, after=after, limit=_PAGE):
        after = page[-1][0]
        for channel, _ in page:
            then = channels.as_of(state, height, channel)
            if then is not None and then.epoch and member in then.terms.members:
                found.append(channel)
    return found


def _refused(code: str, what: str) -> DisclosureRefused:
    return DisclosureRefused(f"total.{code}", f"The file {what}.")

"""The head of a snapshot is read or ``SnapshotRefused``; what is read fits together, and only a true one is believed.

If broken: a node that joins fetches pieces that cannot be, or believes in a state that the network never had.
"""

from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from fuzz.claims import require
from fuzz.mutation import of_messagepack
from fuzz.targets.snapshot import APP_HASH, sample
from support.copied import GENESIS
from traco.storage.copying.form import SnapshotHead, SnapshotRefused, decode_head, encode_head
from traco.storage.copying.restoring import verify_head

_GENUINE: Final = msgspec.msgpack.decode(sample(), type=list[bytes])[0]
_KNOWN: Final = decode_head(_GENUINE)
mutate = of_messagepack


def genuine() -> bytes:
    """The head of the snapshot that ``snapshot`` restores."""
    return _GENUINE


def check(raw: bytes, _folder: Path) -> None:
    """Read it, and judge it as a node that trusts an app hash does."""
    try:
        head = decode_head(raw)
    except SnapshotRefused as error:
        require(error.code in ("snapshot.malformed", "snapshot.too_large"), error.code)
        require(raw != _GENUINE, error.code)
        return
    assert encode_head(head) == raw
    _require_whole(head)
    try:
        verify_head(raw, GENESIS, APP_HASH)
    except SnapshotRefused as error:
        require(raw != _GENUINE, error.code)
        return
    assert (head.network, head.state_root) == (_KNOWN.network, _KNOWN.state_root)
    assert head.history() == _KNOWN.history() or head.history().root() == _KNOWN.history().root()


def _require_whole(head: SnapshotHead) -> None:
    """The pieces follow each other without a gap, from the first slot to the last, and to the last block record."""
    states = [head.state_range(piece) for piece in range(len(head.state_starts))]
    ids = [head.id_range(piece) for piece in range(len(head.id_starts))]
    for ranges, stop in ((states, head.slot_count), (ids, head.history_size)):
        require(all(first < end for first, end in ranges), "a piece has nothing")
        require(all(left[1] == right[0] for left, right in pairwise(ranges)), "there is a gap")
        require(not ranges or ranges[-1][1] == stop, "the last piece does not reach the end")
    require(states[0][0] == 0, "the first slots are missing")
    require(len(states) + len(ids) == len(head.piece_hashes), "a piece has no hash")

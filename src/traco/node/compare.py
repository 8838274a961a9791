"""Comparing the ledgers of two nodes: at which block they part, and in which module and key.

    first     the first block whose app hash differs, out of the blocks that both have
    in it     what of the block differs: its inputs, its time, or the outcome of a transaction
    keys      the keys whose values differ after that block, by module

The other node is a directory (running or not), or a file of *state hashes* that its operator made. Such a file names no
key and no value: for each it has 16 bytes of hashes, in the order of keys. Whoever has the file learns how many keys each
module has, and can test a guess of a key with its value. Among members that is nothing new, since every node of a network
has the whole state; it should not go to strangers.

The state after a block is at hand on a node that stands there; both have what the last `SWEEP_BLOCKS` blocks changed;
else a node's own blocks are executed again up to there, next to its ledger.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

from traco.kernel.codec import Codec, Count, Hash, Height, Record, encode
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.statetree import StateTree
from traco.modules.composition import compose
from traco.node.copies import CopyRefused, Report, say_nothing
from traco.node.directory import LEDGER_FILE, NodeDirectoryError, read_genesis
from traco.node.rollback import ledger_as_of
from traco.storage import LedgerStore, ReadSnapshot, SnapshotReader, StoredBlock
from traco.storage.database import open_reader
from traco.storage.errors import halting
from traco.storage.rows import decode_delta
from traco.storage.snapshot import ParsedDelta

MAX_FILE_BYTES: Final = 2**31
REPORTED: Final = 20
"""Differing keys that are named; the first is what matters."""

BLOCKS_IN_FILE: Final = 1_000
"""Of how many blocks a file of state hashes has the app hash."""

_HALF: Final = 8  # bytes of a hash in a file: of a key, and of a key with its value
_ENTRY: Final = 2 * _HALF

Part = Literal["inputs", "time", "outcome", "state"]


class ModuleHashes(Record, frozen=True):
    """The keys of one module: ``prefix`` is their first byte; ``entries`` has 16 bytes for each, in the order of keys."""

    prefix: Count
    entries: bytes


class StateHashes(Record, frozen=True, tag="traco-state-hashes/1"):
    """The file. ``blocks``: the app hashes of the last blocks up to ``height``, the last one last."""

    network: Hash
    height: Height
    blocks: tuple[Hash, ...]
    modules: tuple[ModuleHashes, ...]


class KeyDifference(NamedTuple):
    """A key whose value differs. ``key`` is empty where only its hash is known: it is on the other node alone.

    ``here`` and ``there`` are hashes of the values, empty where the key has none.
    """

    module: str
    key: bytes
    here: str
    there: str


class Comparison(NamedTuple):
    """What was found. ``height`` is the first block that differs, None where none does up to ``common``.

    ``leaf`` and ``transaction`` are of the first outcome that differs (-1 and empty: none does). ``keys_unknown`` says why no
    keys are named where none are.
    """

    common: int
    height: int | None
    part: Part | None
    leaf: int
    transaction: bytes
    keys: tuple[KeyDifference, ...]
    keys_unknown: str


_Value = Callable[[bytes], bytes | None]
_FILE: Final[Codec[StateHashes]] = Codec(StateHashes)


def module_names() -> dict[int, str]:
    """The name of each module by the first byte of its keys."""
    return {module.prefix: module.name for module in compose().modules}


# Files of state hashes


def state_hashes(
    directory: Path, height: int | None = None, report: Report = say_nothing, processes: int | None = None
) -> bytes:
    """The file for a node's state after a block (None: the last). Raises as ``rollback.ledger_as_of``."""
    with _opened(directory) as snapshot:
        height = snapshot.height if height is None else height
        first = max(snapshot.first_height, height - BLOCKS_IN_FILE + 1)
        blocks = tuple(app_hash for _, app_hash in _app_hashes(directory, first - 1, height))
        network = snapshot.network
    tree = _state_after(directory, height, report, processes)
    return encode(StateHashes(network, height, blocks, _module_hashes(tree, network, height)))


def read_state_hashes(raw: bytes) -> StateHashes:
    """A file that is one. Raises ``CopyRefused`` (``compare.not_state_hashes``)."""
    try:
        found = _FILE.decode(raw)
    except ValueError as error:
        raise CopyRefused(
            "compare.not_state_hashes", f"it is not what traco node state-hashes writes ({error})"
        ) from None
    if not found.blocks or any(len(module.entries) % _ENTRY for module in found.modules):
        raise CopyRefused("compare.not_state_hashes", "it is not what traco node state-hashes writes")
    return found


def _entry(network: bytes, height: int, key: bytes, value: bytes) -> bytes:
    base = sha256(
        b"traco/state-hashes/1\0" + network + height.to_bytes(8, "big") + len(key).to_bytes(2, "big") + key
    )
    whole = base.copy()
    whole.update(sha256(value).digest())
    return base.digest()[:_HALF] + whole.digest()[:_HALF]


def _module_hashes(tree: StateTree, network: bytes, height: int) -> tuple[ModuleHashes, ...]:
    found: dict[int, bytearray] = {}
    for key in tree.range(b"\0"):
        found.setdefault(key[0], bytearray()).extend(_entry(network, height, key, tree.get(key) or b""))
    return tuple(ModuleHashes(prefix, bytes(entries)) for prefix, entries in sorted(found.items()))


# Comparing


def compare(
    directory: Path, other: Path, report: Report = say_nothing, processes: int | None = None
) -> Comparison:
    """Compare a node's ledger with another's: its directory, or a file of state hashes.

    Raises ``CopyRefused`` (``compare.other_network``, ``compare.nothing_common``, ``compare.not_state_hashes``),
    ``StorageHalt``, ``NodeDirectoryError``.
    """
    if other.is_dir():
        return _compare_directories(directory, other, report, processes)
    if other.stat().st_size > MAX_FILE_BYTES:
        raise CopyRefused("compare.not_state_hashes", f"{other} is too long")
    return _compare_file(directory, read_state_hashes(other.read_bytes()), report, processes)


def _compare_directories(directory: Path, other: Path, report: Report, processes: int | None) -> Comparison:
    with _opened(directory) as ours, _opened(other) as theirs:
        _require_network(ours.network, theirs.network)
        after = max(ours.first_height, theirs.first_height) - 1
        common = min(ours.height, theirs.height)
        height = _first_difference(_app_hashes(directory, after, common), _app_hashes(other, after, common))
        if common <= after:
            raise _nothing_common()
        if height is None:
            return Comparison(common, None, None, -1, b"", (), "")
        part, leaf, transaction = _of_block(ours.block(height), theirs.block(height))
    try:
        keys = _changed_keys(directory, other, height)
        if keys is None:
            here = _state_after(directory, height, report, processes)
            there = _state_after(other, height, report, processes)
            keys = _differing(here.get, there.get, merge(here.range(b"\0"), there.range(b"\0")))
    except CopyRefused as refused:
        return Comparison(common, height, part, leaf, transaction, (), _unknown(height, refused))
    return Comparison(common, height, part, leaf, transaction, tuple(keys), "")


def _unknown(height: int, refused: CopyRefused) -> str:
    return (
        f"the state after block {height} cannot be made again here ({refused}). Have the other node's operator run, with that "
        f"node's release: traco node state-hashes DIR --height {height} --output FILE, and compare with the file"
    )


def _compare_file(directory: Path, file: StateHashes, report: Report, processes: int | None) -> Comparison:
    first = file.height - len(file.blocks) + 1
    with _opened(directory) as ours:
        _require_network(ours.network, file.network)
        after, common = max(ours.first_height, first) - 1, min(ours.height, file.height)
        network = ours.network
    if common <= after:
        raise _nothing_common()
    theirs = (
        (first + index, app_hash) for index, app_hash in enumerate(file.blocks) if first + index > after
    )
    height = _first_difference(_app_hashes(directory, after, common), theirs)
    if height is None:
        return Comparison(common, None, None, -1, b"", (), "")
    if file.height != height:
        why = f"the file is of block {file.height}, and the first that differs is {height}: have one made of that block"
        return Comparison(common, height, None, -1, b"", (), why)
    try:
        tree = _state_after(directory, height, report, processes)
    except CopyRefused as refused:
        return Comparison(common, height, None, -1, b"", (), _unknown(height, refused))
    return Comparison(common, height, "state", -1, b"", tuple(_against_file(tree, file, network)), "")


def _against_file(tree: StateTree, file: StateHashes, network: bytes) -> list[KeyDifference]:
    names = module_names()
    there = {module.prefix: _entries(module) for module in file.modules}
    found: list[KeyDifference] = []
    for key in tree.range(b"\0"):
        entry = _entry(network, file.height, key, tree.get(key) or b"")
        other = there.get(key[0], {}).pop(entry[:_HALF], None)
        if other != entry[_HALF:]:
            name = names.get(key[0], str(key[0]))
            found.append(KeyDifference(name, key, entry[_HALF:].hex(), "" if other is None else other.hex()))
    for prefix, left in sorted(there.items()):
        found += [
            KeyDifference(names.get(prefix, str(prefix)), b"", "", other.hex()) for other in left.values()
        ]
    return found[:REPORTED]


def _entries(module: ModuleHashes) -> dict[bytes, bytes]:
    raw = module.entries
    return {raw[at : at + _HALF]: raw[at + _HALF : at + _ENTRY] for at in range(0, len(raw), _ENTRY)}


def _require_network(ours: bytes, theirs: bytes) -> None:
    if ours != theirs:
        raise CopyRefused(
            "compare.other_network", f"the other is of network {theirs.hex()}, not {ours.hex()}"
        )


def _nothing_common() -> CopyRefused:
    return CopyRefused(
        "compare.nothing_common", "there is no block that both have; compare with another node"
    )


def _first_difference(ours: Iterator[tuple[int, bytes]], theirs: Iterator[tuple[int, bytes]]) -> int | None:
    for (height, here), (_, there) in zip(ours, theirs, strict=False):
        if here != there:
            return height
    return None


def _of_block(ours: StoredBlock | None, theirs: StoredBlock | None) -> tuple[Part, int, bytes]:
    """What of a block differs: inputs before outcomes, because these follow from them."""
    if ours is None or theirs is None or ours.envelopes != theirs.envelopes:
        return "inputs", -1, b""
    if ours.time_ms != theirs.time_ms:
        return "time", -1, b""
    for index, (here, there) in enumerate(zip(ours.leaves, theirs.leaves, strict=False)):
        if here != there:
            return "outcome", index, here.identity
    if len(ours.leaves) != len(theirs.leaves):
        return "outcome", min(len(ours.leaves), len(theirs.leaves)), b""
    return "state", -1, b""


# States


def _opened(directory: Path) -> ReadSnapshot:
    path = directory / LEDGER_FILE
    network = network_id(parse_genesis(read_genesis(directory)))
    snapshot = SnapshotReader(path, network).snapshot() if path.exists() else None
    if snapshot is None:
        raise NodeDirectoryError("node.not_founded", f"{directory} has no ledger")
    return snapshot


def _app_hashes(directory: Path, after: int, last: int) -> Iterator[tuple[int, bytes]]:
    """Height and app hash of the blocks in (after, last], ascending."""
    path = str(directory / LEDGER_FILE)
    with halting(path), closing(open_reader(path, None)) as connection:
        yield from connection.execute(
            "SELECT height, app_hash FROM blocks WHERE height > ? AND height <= ? ORDER BY height",
            (after, last),
        )


def _changes(directory: Path, height: int) -> dict[bytes, bytes | None] | None:
    """What a block changed, None where the store does not keep it any more."""
    path = str(directory / LEDGER_FILE)
    with halting(path), closing(open_reader(path, None)) as connection:
        raw = connection.execute("SELECT changes FROM delta WHERE height = ?", (height,)).get
    return ParsedDelta(height, decode_delta(raw)).values if isinstance(raw, bytes) else None


def _changed_keys(directory: Path, other: Path, height: int) -> list[KeyDifference] | None:
    """The differences among the keys that the block changed on either node: the states before it were equal."""
    here, there = _changes(directory, height), _changes(other, height)
    if here is None or there is None:
        return None
    return _differing(here.get, there.get, sorted({*here, *there}))


def _differing(here: _Value, there: _Value, keys: Iterable[bytes]) -> list[KeyDifference]:
    """The keys, ascending and perhaps twice, whose values differ."""
    names = module_names()
    found: dict[bytes, KeyDifference] = {}
    for key in keys:
        first, second = here(key), there(key)
        if first != second:
            found[key] = KeyDifference(names.get(key[0], str(key[0])), key, _shown(first), _shown(second))
            if len(found) == REPORTED:
                break
    return list(found.values())


def _shown(value: bytes | None) -> str:
    """A value as its hash; nothing for none."""
    return "" if value is None else sha256(value).hexdigest()


def _state_after(directory: Path, height: int, report: Report, processes: int | None) -> StateTree:
    with _opened(directory) as snapshot:
        if snapshot.height == height:
            return snapshot.tree()
    with TemporaryDirectory(prefix="compare-", dir=directory) as scratch:
        made = Path(scratch) / LEDGER_FILE
        ledger_as_of(directory, height, made, report, processes)
        store = LedgerStore(made, durable=False)
        try:
            loaded = store.load()
        finally:
            store.close()
    if loaded is None:
        raise CopyRefused("rebuild.no_block", f"{directory} has no block {height}")
    return loaded.tree

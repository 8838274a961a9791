"""The state before a period: taken from a replica, and put under another one, in memory."""

from collections.abc import Iterator
from typing import Final

from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.form import CHUNK, CHUNK_BYTES, Ids, Opening, Reader, Slots
from traco.kernel.merkle import Frontier, ProofInvalid
from traco.kernel.receipt import app_hash
from traco.kernel.statetree import InconsistentState, StateTree
from traco.kernel.store import CommittedBlock, LoadedLedger
from traco.modules.channel.digests import blinded

_REFUSED: Final = "disclosure.opening"


class MemoryStore:
    """Keeps what a replica needs to be opened, and the ids that are used up; blocks are not kept, and nothing is durable."""

    def __init__(self, opened: LoadedLedger | None = None) -> None:
        self._opened = opened
        self._used: dict[bytes, int] = {} if opened is None else dict(opened.used)

    def load(self) -> LoadedLedger | None:
        """What it was made with."""
        return self._opened

    def found(self, genesis: bytes, block: CommittedBlock, tree: StateTree) -> None:
        """Begin with the founding, which uses up nothing."""
        self._keep(block)

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        """Take a block."""
        self._keep(block)

    def used(self, time_ms: int) -> list[tuple[bytes, int]]:
        """The ids that still count at a time."""
        return [(identity, until_ms) for identity, until_ms in self._used.items() if until_ms > time_ms]

    def _keep(self, block: CommittedBlock) -> None:
        self._used.update(block.used)
        if len(self._used) > 1_048_576:
            self._used = dict(self.used(block.time_ms))


def slots_of(tree: StateTree) -> Iterator[Slots]:
    """A tree, some slots at a time."""
    first, size, collected = 0, 0, list[tuple[bytes, bytes] | int]()
    for slot in range(tree.slot_count):
        content = tree.content(slot)
        each = (content.key, content.value) if content.next_empty is None else content.next_empty
        collected.append(each)
        size += len(content.key) + len(content.value)
        if len(collected) == CHUNK or size >= CHUNK_BYTES:
            yield Slots(first, tuple(collected))
            first, size, collected = slot + 1, 0, []
    if collected:
        yield Slots(first, tuple(collected))


def ids_of(used: list[tuple[bytes, int]]) -> Iterator[Ids]:
    """Used ids, some at a time, in order."""
    ordered = sorted(used)
    for start in range(0, len(ordered), CHUNK):
        yield Ids(tuple(ordered[start : start + CHUNK]))


def read_opening(opening: Opening, reader: Reader) -> MemoryStore:
    """A store with the state that follows in the file. Raises ``DisclosureRefused`` unless it is the one that the opening's
    summary, by its blind, is of.
    """
    keys, values, empty = list[bytes](), list[bytes](), dict[int, int]()
    for part in reader.all(Slots):
        if part.first != len(keys) or part.first + len(part.slots) > opening.slot_count:
            raise _refused("its slots do not stand in order")
        for slot in part.slots:
            if isinstance(slot, int):
                empty[len(keys)] = slot
            key, value = (b"", b"") if isinstance(slot, int) else slot
            keys.append(key)
            values.append(value)
    used = [pair for part in reader.all(Ids) for pair in part.used]
    if len(keys) != opening.slot_count:
        raise _refused("it lacks slots")
    try:
        tree = StateTree.restore_slots(keys, values, opening.first_empty, empty)
        history = Frontier.decode(opening.history_size, opening.frontier)
    except (InconsistentState, ProofInvalid) as error:
        raise _refused(str(error)) from None
    found = app_hash(tree.root(), history.root(), history.size)
    if blinded(opening.blind, found) != opening.summary.state:
        raise _refused("the state, or the value that hides it, is not the one that its digest is of")
    loaded = LoadedLedger(opening.summary.ordinal, opening.time_ms, found, tree, history, used)
    return MemoryStore(loaded)


def _refused(reason: str) -> DisclosureRefused:
    return DisclosureRefused(
        _REFUSED, f"The opening state of the disclosure was changed or is incomplete: {reason}."
    )

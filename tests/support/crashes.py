"""A ledger store on a simulated disk: a workload that commits, and what is found there afterwards."""

from faults import Disk, SimulatedVFS, Workload
from support.chain import Chain, replay
from traco.kernel.receipt import app_hash
from traco.storage import LedgerStore, SnapshotReader
from traco.storage.schema import SWEEP_BLOCKS, TILE_SLOTS

PATH = "/ledger.sqlite"


def key(number: int) -> bytes:
    return b"\x02\x01" + number.to_bytes(4, "big")


def make_chain(blocks: int) -> Chain:
    chain = Chain({key(number): b"founded %d" % number for number in range(TILE_SLOTS + 40)})
    for height in range(1, blocks + 1):
        chain.add(
            {
                key(height % 7): b"changed %d" % height,
                key(TILE_SLOTS + height): b"far %d" % height,
                key(1_000 + height): b"new",
                key(1_000 + height - 3): None,
            },
            leaves=height % 3,
        )
    return chain


LONG = make_chain(SWEEP_BLOCKS + 4)
SHORT = make_chain(3)


def commits(chain: Chain, stop: int) -> Workload:
    """Opens the store, commits up to the block before ``stop`` and closes it; acknowledges heights."""

    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        # A small log, so that power cuts meet checkpoints too.
        store = LedgerStore(PATH, vfs=machine.name, checkpoint_pages=8)
        loaded = store.load()
        start, tree = (0, None) if loaded is None else (loaded.height + 1, loaded.tree)
        for block in chain.blocks[start:stop]:
            tree = replay(store, [block], tree)
            acknowledged.append(block.height)
        store.close()

    return workload


def disk_with(chain: Chain, stop: int) -> Disk:
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        commits(chain, stop)(machine, [])
    return disk


def found(disk: Disk, chain: Chain) -> int:
    """The last height on a disk, -1 if none, after comparing everything there with the chain. Leaves it unchanged."""
    with SimulatedVFS(disk.copy()) as machine:
        store = LedgerStore(PATH, vfs=machine.name)
        loaded = store.load()
        if loaded is None:
            return -1
        expected = chain.blocks[loaded.height]
        roots = loaded.tree.root(), loaded.history.root(), loaded.history.size
        assert (loaded.app_hash, app_hash(*roots)) == (expected.app_hash, expected.app_hash)
        with SnapshotReader(PATH, vfs=machine.name).snapshot() as snapshot:  # type: ignore[union-attr]
            state = {each: snapshot.get(each) for each in snapshot.range(b"\0", b"\xff")}
            blocks = snapshot.blocks(-1, len(chain.blocks))
        assert state == chain.states[loaded.height]
        assert [(block.app_hash, block.leaves, block.envelopes, block.used) for block in blocks] == [
            (block.app_hash, block.leaves, block.envelopes, block.used)
            for block in chain.blocks[: loaded.height + 1]
        ]
        return loaded.height

"""Two ledgers that part are told apart by block, transaction, module and key, between directories and by files of hashes."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import msgspec
import pytest

from support.ledger import Key, Ledger
from support.stored_ledger import BANK_ID, EUR, StoredLedger, genesis
from traco.kernel.codec import encode
from traco.kernel.state import State
from traco.modules.composition import compose
from traco.modules.holding.book import Book
from traco.modules.holding.messages import Transfer
from traco.modules.holding.state import HOLDINGS
from traco.node.compare import Comparison, compare, read_state_hashes, state_hashes
from traco.node.copies import CopyRefused
from traco.node.directory import NodeDirectoryError
from traco.storage import LedgerStore
from traco.storage.schema import SWEEP_BLOCKS


class Node:
    """A directory with a ledger that is open for more blocks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = LedgerStore(directory / "ledger.db", durable=False)
        self.ledger = Ledger(genesis(), compose(), BANK_ID, Key("bank node"), self.store)

    def block(
        self, *transactions: bytes, time_ms: int | None = None, envelopes: tuple[bytes, ...] = ()
    ) -> None:
        """The next block."""
        self.ledger.time_ms += 1_000
        application = self.ledger.application
        application.finalize_block(application.info().height + 1, time_ms or self.ledger.time_ms, envelopes)
        application.commit()


class Pair:
    """Two nodes with the same ledger; ``accounts`` hold money."""

    def __init__(self, folder: Path) -> None:
        (folder / "one").mkdir()
        base = StoredLedger(folder / "one")
        base.close()
        copytree(folder / "one", folder / "two")
        self.accounts, salt = base.accounts, base.ledger._salt
        self.nodes = Node(folder / "one"), Node(folder / "two")
        for node in self.nodes:
            node.ledger._salt = salt
        self.height = self.nodes[0].ledger.application.info().height

    def envelope(self, amount: int) -> bytes:
        """One transfer, signed and in its envelope."""
        ledger = self.nodes[0].ledger
        transfer = Transfer(BANK_ID, EUR, self.accounts[0], self.accounts[1], amount, b"rent")
        return ledger.envelope([ledger.transaction([transfer], Key("bank"))])

    def both(self, blocks: int) -> None:
        """The same blocks on both."""
        for _ in range(blocks):
            raw = (self.envelope(3),)
            for node in self.nodes:
                node.block(envelopes=raw)

    def part(self, monkeypatch: pytest.MonkeyPatch) -> bytes:
        """A block after which the second node has two holdings the wrong way round; the first of their keys."""
        raw = (self.envelope(100),)
        self.nodes[0].block(envelopes=raw)
        changes, exchanged = State.changes, []

        def wrong(state: State) -> dict[bytes, bytes | None]:
            found = dict(changes(state))
            first, second = (key for key in found if key.startswith(HOLDINGS.prefix))
            found[first], found[second] = found[second], found[first]
            exchanged.append(min(first, second))
            return found

        with monkeypatch.context() as patched:
            patched.setattr(State, "changes", wrong)
            self.nodes[1].block(envelopes=raw)
        return exchanged[0]

    def compare(self) -> Comparison:
        """From the first node's view."""
        return compare(self.nodes[0].directory, self.nodes[1].directory, processes=0)

    def close(self) -> None:
        """Close both stores."""
        for node in self.nodes:
            node.store.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def test_equal_ledgers_do_not_differ(pair: Pair) -> None:
    pair.both(3)
    found = pair.compare()
    assert (found.common, found.height, found.keys) == (pair.height + 3, None, ())


def test_the_first_block_module_and_key_are_named_though_the_nodes_went_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.both(2)
    key = pair.part(monkeypatch)
    pair.both(3)
    found = pair.compare()
    assert (found.common, found.height, found.part, found.leaf) == (
        pair.height + 6,
        pair.height + 3,
        "state",
        -1,
    )
    assert next((each.module, each.key) for each in found.keys) == ("holding", key)
    assert len(found.keys) == 2
    assert all(len(each.here) == len(each.there) == 64 and each.here != each.there for each in found.keys)


def test_inputs_are_told_apart_from_what_came_of_them(pair: Pair) -> None:
    first, second = pair.envelope(1), pair.envelope(2)
    pair.nodes[0].block(envelopes=(first,))
    pair.nodes[1].block(envelopes=(second,))
    assert (pair.compare().height, pair.compare().part) == (pair.height + 1, "inputs")


def test_times_are_told_apart(pair: Pair) -> None:
    raw = (pair.envelope(1),)
    pair.nodes[0].block(envelopes=raw)
    pair.nodes[1].block(envelopes=raw, time_ms=pair.nodes[1].ledger.time_ms + 2_000)
    assert pair.compare().part == "time"


def test_the_first_outcome_that_differs_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (pair.envelope(100),)
    pair.nodes[0].block(envelopes=raw)
    with monkeypatch.context() as patched:
        patched.setattr(Book, "debit", lambda *arguments: None)  # an invariant notices: a fault
        pair.nodes[1].block(envelopes=raw)
    found = pair.compare()
    assert (found.part, found.leaf, len(found.transaction)) == ("outcome", 1, 32)


def test_after_many_blocks_the_state_is_made_again_where_this_release_can(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.part(monkeypatch)
    pair.nodes[1].store.close()
    for _ in range(SWEEP_BLOCKS + 1):
        pair.nodes[0].block()
    found = compare(pair.nodes[1].directory, pair.nodes[0].directory, processes=0)
    assert next((each.module, each.key) for each in found.keys) == ("holding", key)
    assert found.keys_unknown == ""


def test_where_this_release_executes_otherwise_the_other_operator_is_asked(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.part(monkeypatch)
    for node in pair.nodes:
        for _ in range(SWEEP_BLOCKS + 1):
            node.block()
    found = pair.compare()
    assert (found.height, found.keys) == (pair.height + 1, ())
    assert f"state-hashes DIR --height {pair.height + 1}" in found.keys_unknown


# Files


def hashes(folder: Path, node: Node, height: int | None = None) -> Path:
    """The file of a node's state hashes."""
    path = folder / "state.hashes"
    path.write_bytes(state_hashes(node.directory, height, processes=0))
    return path


def test_a_file_names_module_and_key_without_having_them(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pair.part(monkeypatch)
    path = hashes(tmp_path, pair.nodes[1])
    found = compare(pair.nodes[0].directory, path, processes=0)
    assert (found.height, found.part) == (pair.height + 1, "state")
    assert next((each.module, each.key) for each in found.keys) == ("holding", key)
    content = path.read_bytes()
    tree = pair.nodes[1].ledger.application.tree
    assert not any(
        each in content or (tree.get(each) or b"x") in content for each in tree.range(b"\0") if len(each) > 8
    )


def test_a_file_of_an_equal_ledger_does_not_differ(pair: Pair, tmp_path: Path) -> None:
    found = compare(pair.nodes[0].directory, hashes(tmp_path, pair.nodes[1]), processes=0)
    assert (found.common, found.height) == (pair.height, None)


def test_a_file_of_a_later_block_says_which_one_to_ask_for(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.part(monkeypatch)
    pair.nodes[0].block()
    found = compare(pair.nodes[1].directory, hashes(tmp_path, pair.nodes[0]), processes=0)
    assert (found.height, found.keys) == (pair.height + 1, ())
    assert f"first that differs is {pair.height + 1}" in found.keys_unknown
    asked = hashes(tmp_path, pair.nodes[0], pair.height + 1)
    assert compare(pair.nodes[1].directory, asked, processes=0).keys[0].module == "holding"


def test_a_key_that_only_the_other_node_has_is_told_by_its_hash(pair: Pair, tmp_path: Path) -> None:
    path = hashes(tmp_path, pair.nodes[1])
    file = read_state_hashes(path.read_bytes())
    module = file.modules[-1]
    more = msgspec.structs.replace(module, entries=module.entries + b"k" * 8 + b"v" * 8)
    blocks = (*file.blocks[:-1], bytes(32))
    path.write_bytes(encode(msgspec.structs.replace(file, modules=(*file.modules[:-1], more), blocks=blocks)))
    (found,) = compare(pair.nodes[0].directory, path, processes=0).keys
    assert (found.key, found.here, found.there) == (b"", "", (b"v" * 8).hex())


@pytest.mark.parametrize("raw", [b"", b"something", b"\x90"])
def test_a_file_of_something_else_is_refused(pair: Pair, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "file").write_bytes(raw)
    with pytest.raises(CopyRefused, match=r"compare\.not_state_hashes"):
        compare(pair.nodes[0].directory, tmp_path / "file")


def test_a_file_of_blocks_far_away_is_refused(pair: Pair, tmp_path: Path) -> None:
    path = hashes(tmp_path, pair.nodes[1])
    file = read_state_hashes(path.read_bytes())
    path.write_bytes(encode(msgspec.structs.replace(file, height=file.height + 500, blocks=file.blocks[:3])))
    with pytest.raises(CopyRefused, match=r"compare\.nothing_common"):
        compare(pair.nodes[0].directory, path)
    path.write_bytes(encode(msgspec.structs.replace(file, network=bytes(32))))
    with pytest.raises(CopyRefused, match=r"compare\.other_network"):
        compare(pair.nodes[0].directory, path)


def test_a_height_that_a_node_does_not_have_is_refused(pair: Pair) -> None:
    with pytest.raises(CopyRefused, match=r"rebuild\.no_block"):
        state_hashes(pair.nodes[0].directory, pair.height + 1)


def test_a_directory_without_a_ledger_is_refused(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NodeDirectoryError):
        compare(pair.nodes[0].directory, tmp_path / "empty")

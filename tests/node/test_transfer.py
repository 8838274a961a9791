import zlib
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import apsw
import msgspec
import pytest

from support.stored_ledger import SealKey, StoredLedger, genesis
from traco.kernel.application import Application
from traco.kernel.codec import encode
from traco.kernel.genesis import write_genesis
from traco.modules.composition import compose
from traco.node.audit import audit
from traco.node.copies import CopyRefused
from traco.node.directory import LEDGER_FILE, RESTORED_FILE
from traco.node.transfer import MAGIC, Exported, export_ledger, import_ledger
from traco.storage import DirectoryLock, LedgerStore, differences

Frames = list[bytes]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredLedger:
    """A ledger of more blocks than are read at once."""
    directory = tmp_path_factory.mktemp("node")
    ledger = StoredLedger(directory)
    ledger.trade(blocks=40, per_block=4)
    ledger.close()
    return ledger


@pytest.fixture
def exported(stored: StoredLedger, tmp_path: Path) -> Path:
    export_ledger(stored.directory, tmp_path / "ledger.traco")
    return tmp_path / "ledger.traco"


def frames(path: Path) -> Frames:
    """The encoded records in an export."""
    stream, found, position = zlib.decompress(path.read_bytes()[len(MAGIC) :]), [], 0
    while position < len(stream):
        length = int.from_bytes(stream[position : position + 4], "big")
        found.append(stream[position + 4 : position + 4 + length])
        position += 4 + length + 32
    return found


def write(path: Path, records: Frames) -> None:
    """An export of these records, rightly chained."""
    chain, stream = bytes(32), b""
    for record in records:
        chain = sha256(chain + record).digest()
        stream += len(record).to_bytes(4, "big") + record + chain
    path.write_bytes(MAGIC + zlib.compress(stream))


def refused(source: Path, target: Path, trusted: bytes | None = None) -> str:
    """The code with which the import is refused; nothing may be left of it."""
    before = sorted(target.parent.iterdir())
    with pytest.raises(CopyRefused) as caught:
        import_ledger(source, target, genesis=trusted, processes=1)
    assert sorted(target.parent.iterdir()) == before
    return caught.value.code


def test_what_is_imported_is_the_ledger_row_by_row(
    stored: StoredLedger, exported: Path, tmp_path: Path
) -> None:
    done = import_ledger(exported, tmp_path / "copy", genesis=write_genesis(genesis()), processes=1)
    assert differences(stored.path, tmp_path / "copy" / LEDGER_FILE) == []
    assert (done.height, done.time_ms, done.app_hash) == stored.ledger.application.info()
    assert (done.transactions, done.sealed) == (173, False)
    assert audit(tmp_path / "copy").differences == ()
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "genesis.json", LEDGER_FILE, "lock", RESTORED_FILE,
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / "copy").iterdir() if path.stat().st_mode & 0o077] == []


def test_the_same_ledger_always_has_the_same_digest(
    stored: StoredLedger, exported: Path, tmp_path: Path
) -> None:
    import_ledger(exported, tmp_path / "copy", processes=1)
    again = export_ledger(tmp_path / "copy", tmp_path / "again.traco")
    sealed = export_ledger(stored.directory, tmp_path / "sealed.traco", seal=SealKey())
    assert again.digest == sealed.digest
    assert (again.sealed, sealed.sealed) == (False, True)
    assert (tmp_path / "again.traco").read_bytes() == exported.read_bytes()
    assert import_ledger(tmp_path / "sealed.traco", tmp_path / "other", processes=1).sealed


def test_an_export_is_private_and_takes_the_place_of_nothing(stored: StoredLedger, exported: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CopyRefused, match=r"export\.exists"):
        export_ledger(stored.directory, exported)
    assert list(exported.parent.iterdir()) == [exported]


def test_a_running_node_is_exported_up_to_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    ledger = StoredLedger(tmp_path / "node")
    ledger.trade(blocks=30, per_block=1)
    height = ledger.ledger.application.info().height
    with DirectoryLock(tmp_path / "node"):
        done = export_ledger(
            tmp_path / "node", tmp_path / "file", report=lambda _: ledger.trade(blocks=1, per_block=1)
        )
    ledger.close()
    assert done.height == height
    assert import_ledger(tmp_path / "file", tmp_path / "copy", processes=1).height == height


def test_only_a_ledger_is_exported(tmp_path: Path) -> None:
    with pytest.raises(CopyRefused, match=r"export\.no_ledger"):
        export_ledger(tmp_path, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_just_founded_travels_too(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    with closing(LedgerStore(tmp_path / "node" / LEDGER_FILE)) as store:
        Application(genesis(), compose(), store, lambda *_: None).init_chain()
    done = export_ledger(tmp_path / "node", tmp_path / "file")
    assert done._replace(app_hash=b"", digest=b"", network=b"") == Exported(b"", 0, b"", b"", False)
    assert import_ledger(tmp_path / "file", tmp_path / "copy", processes=1).app_hash == done.app_hash


def test_an_import_needs_an_empty_directory(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "file").touch()
    assert refused(exported, tmp_path / "copy") == "import.not_empty"


def test_another_network_is_refused(exported: Path, tmp_path: Path) -> None:
    other = write_genesis(msgspec.structs.replace(genesis(), name="Other"))
    assert refused(exported, tmp_path / "copy", other) == "import.other_network"


@pytest.mark.parametrize("content", [b"", b"traco", b"SQLite format 3\0", b"\0" * 100])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert refused(tmp_path / "file", tmp_path / "copy") == "import.not_an_export"


def test_a_newer_format_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"traco-ledger/2\n" + bytes(100))
    assert refused(tmp_path / "file", tmp_path / "copy") == "import.newer_format"


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(exported: Path, tmp_path: Path, part: float) -> None:
    content = exported.read_bytes()
    exported.write_bytes(content[: len(MAGIC) + int(part * (len(content) - len(MAGIC)))])
    assert refused(exported, tmp_path / "copy") == "import.truncated"


def test_a_file_without_its_last_bytes_is_refused(exported: Path, tmp_path: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-1])
    assert refused(exported, tmp_path / "copy") == "import.truncated"


def test_a_stream_that_ends_after_a_block_is_refused(exported: Path, tmp_path: Path) -> None:
    write(exported, frames(exported)[:-1])
    assert refused(exported, tmp_path / "copy") == "import.truncated"


@pytest.mark.parametrize("place", [20, 500, -700, -3])
def test_a_flipped_bit_is_refused(exported: Path, tmp_path: Path, place: int) -> None:
    content = bytearray(exported.read_bytes())
    content[place] ^= 8
    exported.write_bytes(content)
    assert refused(exported, tmp_path / "copy") in ("import.altered", "import.truncated")


def test_something_behind_the_end_is_refused(exported: Path, tmp_path: Path) -> None:
    content = exported.read_bytes()
    exported.write_bytes(content + b"\0")
    assert refused(exported, tmp_path / "copy") == "import.trailing"
    write(exported, [*frames_of(content, exported), b"\x90"])
    assert refused(exported, tmp_path / "copy") == "import.trailing"


def frames_of(content: bytes, path: Path) -> Frames:
    path.write_bytes(content)
    return frames(path)


def swap(records: Frames) -> Frames:
    return [*records[:5], records[6], records[5], *records[7:]]


def leave_out(records: Frames) -> Frames:
    return [*records[:5], *records[6:]]


def repeat(records: Frames) -> Frames:
    return [*records[:6], records[5], *records[6:]]


def second_head(records: Frames) -> Frames:
    return [*records[:6], records[0], *records[6:]]


@pytest.mark.parametrize("change", [swap, leave_out, repeat, second_head])
def test_blocks_in_another_order_are_refused(
    exported: Path, tmp_path: Path, change: Callable[[Frames], Frames]
) -> None:
    write(exported, change(frames(exported)))
    assert refused(exported, tmp_path / "copy") == "import.out_of_order"


def earlier(block: list[object]) -> None:
    block[2] = 0


def another_hash(block: list[object]) -> None:
    block[4] = bytes(32)


def no_record(block: list[object]) -> None:
    block[5] = None


def no_envelopes(block: list[object]) -> None:
    block[6] = []


def another_time(block: list[object]) -> None:
    block[2] = int(str(block[2])) + 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (earlier, "import.out_of_order"),
        (another_time, "import.different_result"),
        (another_hash, "import.different_result"),
        (no_record, "import.different_result"),
        (no_envelopes, "import.different_result"),
    ],
)
def test_a_block_that_was_changed_and_chained_again_is_refused(
    exported: Path, tmp_path: Path, change: Callable[[list[object]], None], code: str
) -> None:
    records = frames(exported)
    block = msgspec.msgpack.decode(records[9])
    change(block)
    records[9] = encode(block)
    write(exported, records)
    assert refused(exported, tmp_path / "copy") == code


def test_a_changed_signature_gives_another_result(exported: Path, tmp_path: Path) -> None:
    """Re-execution checks signatures too: the verifiers ahead are no way around that."""
    records = frames(exported)
    block = msgspec.msgpack.decode(records[9])
    envelope = bytearray(block[6][0])
    transaction = bytes(msgspec.msgpack.decode(bytes(envelope))[0][6][0])
    forged = bytearray(transaction)
    forged[-1] ^= 1
    block[6] = [bytes(envelope).replace(transaction, bytes(forged))]
    records[9] = encode(block)
    write(exported, records)
    assert refused(exported, tmp_path / "copy") == "import.different_result"


def test_an_end_that_speaks_of_another_block_is_refused(exported: Path, tmp_path: Path) -> None:
    records = frames(exported)
    write(exported, [*records[:-2], records[-1]])
    assert refused(exported, tmp_path / "copy") == "import.truncated"


def test_a_foreign_genesis_in_the_head_is_refused(exported: Path, tmp_path: Path) -> None:
    records = frames(exported)
    head = msgspec.msgpack.decode(records[0])
    for document in (b"{}", write_genesis(msgspec.structs.replace(genesis(), name="Other"))):
        write(exported, [encode([head[0], head[1], document]), *records[1:]])
        assert refused(exported, tmp_path / "copy") == "import.altered"


def test_a_forged_checkpoint_is_refused(stored: StoredLedger, tmp_path: Path) -> None:
    export_ledger(stored.directory, tmp_path / "file", seal=SealKey())
    records = frames(tmp_path / "file")
    end = msgspec.msgpack.decode(records[-1])
    end[4] = end[4][:-20] + b"A" * 17 + end[4][-3:]
    write(tmp_path / "file", [*records[:-1], encode(end)])
    assert refused(tmp_path / "file", tmp_path / "copy") == "backup.seal_invalid"


def test_a_ledger_with_a_changed_envelope_cannot_pass_as_sound(stored: StoredLedger, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    for name in ("genesis.json", LEDGER_FILE):
        (tmp_path / "node" / name).write_bytes((stored.directory / name).read_bytes())
    with closing(apsw.Connection(str(tmp_path / "node" / LEDGER_FILE))) as connection:
        connection.execute("UPDATE blocks SET envelopes = x'90' WHERE height = 9")
    export_ledger(tmp_path / "node", tmp_path / "file")
    assert refused(tmp_path / "file", tmp_path / "copy") == "import.different_result"

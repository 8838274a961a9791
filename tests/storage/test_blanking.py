"""The content of blocks that a channel decided to have erased leaves its store; the rest stays."""

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from msgspec import msgpack

from traco.storage.blanking import blank_envelopes

BLOCKS = {
    0: (),
    1: (b"one planted", b"kept 1"),
    2: (b"", b"kept 2"),
    3: (b"three planted", b"kept 3"),
    4: (b"four planted", b"kept 4"),
}


def store(path: Path) -> Path:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE blocks (height INTEGER PRIMARY KEY, envelopes BLOB NOT NULL)")
        connection.executemany(
            "INSERT INTO blocks VALUES (?, ?)",
            [(height, msgpack.encode(envelopes)) for height, envelopes in BLOCKS.items()],
        )
    return path


def envelopes(path: Path) -> dict[int, tuple[bytes, ...]]:
    with closing(apsw.Connection(str(path))) as connection:
        rows: list[Any] = connection.execute("SELECT height, envelopes FROM blocks").fetchall()
    return {height: msgpack.decode(raw, type=tuple[bytes, ...]) for height, raw in rows}


def test_up_to_a_block_all_but_the_last_part_goes(tmp_path: Path) -> None:
    path = store(tmp_path / "channel.db")
    assert blank_envelopes(path, 3) == 2
    assert envelopes(path) == {**BLOCKS, 1: (b"", b"kept 1"), 3: (b"", b"kept 3")}
    assert blank_envelopes(path, 3) == 0


def test_the_bytes_are_in_no_file_any_more(tmp_path: Path) -> None:
    path = store(tmp_path / "channel.db")
    blank_envelopes(path, 3)
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert [word in everything for word in (b"one planted", b"three planted", b"four planted")] == [
        False,
        False,
        True,
    ]


def test_where_there_is_no_store_nothing_happens(tmp_path: Path) -> None:
    assert blank_envelopes(tmp_path / "none.db", 3) == 0
    assert list(tmp_path.iterdir()) == []

"""What is read back from pages that are not what was written is refused, whatever types it has."""

import apsw
import pytest

from traco.kernel.statetree import InconsistentState
from traco.storage.loading import read_deltas, read_head


def test_changes_that_are_no_bytes_are_not_those_of_a_block() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE delta (height, changes); INSERT INTO delta VALUES (7, NULL)")
    with pytest.raises(InconsistentState, match="changes of block 7"):
        read_deltas(connection)


@pytest.mark.parametrize("column", ["app_hash", "slot_count", "frontier", "history_size", "history_root"])
def test_head_with_a_column_of_another_type_is_refused(column: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE head (height, slot_count, first_empty, frontier)")
    connection.execute("CREATE TABLE blocks (height, time_ms, app_hash, history_size, history_root)")
    connection.execute("INSERT INTO head VALUES (3, 1, NULL, x'90')")
    connection.execute("INSERT INTO blocks VALUES (3, 1, x'00', 0, x'00')")
    table = "head" if column in ("slot_count", "frontier") else "blocks"
    connection.execute(f"UPDATE {table} SET {column} = NULL")
    with pytest.raises(InconsistentState, match="types of the last block"):
        read_head(connection)

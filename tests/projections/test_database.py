"""Where projections are kept: addresses, formats, and databases that are somebody else's."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from traco.projections.database import NOTHING_YET, ProjectionDatabase, address
from traco.projections.errors import AddressInvalid, DatabaseFailed, FormatUnknown, NotReady, OtherLedger
from traco.projections.files import SQLITE_FILE
from traco.projections.schema import FORMAT

NETWORK, OTHER = b"\1" * 32, b"\2" * 32


def test_by_default_they_are_a_private_file_in_the_nodes_directory(tmp_path: Path) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK) as database:
        database.prepare()
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / SQLITE_FILE).exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_an_address_of_postgresql_is_taken_by_either_name(tmp_path: Path, scheme: str) -> None:
    found = address(tmp_path, f"{scheme}://traco@db.example/ledger")
    assert (found.drivername, found.host, found.database) == ("postgresql+psycopg", "db.example", "ledger")


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret word\n")
    found = address(tmp_path, "postgresql://traco@db.example/ledger", tmp_path / "password")
    assert found.password == "s3cret word"
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "nothing",
        "mysql://traco@db.example/ledger",
        "postgresql://traco:s3cret@db.example/ledger",
        "oracle+oracledb://x",
    ],
)
def test_other_addresses_are_refused_without_repeating_a_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        address(tmp_path, url)
    assert "s3cret" not in str(refused.value)


def test_a_password_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AddressInvalid, match="No such file"):
        address(tmp_path, "postgresql://traco@db.example/ledger", tmp_path / "none")


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AddressInvalid, match="No such file"):
        ProjectionDatabase.open(tmp_path / "none", NETWORK)


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret")
    url = f"postgresql://traco@/ledger?host={tmp_path}"
    with (
        ProjectionDatabase.open(tmp_path, NETWORK, url, tmp_path / "password") as database,
        pytest.raises(DatabaseFailed, match="connection to server") as failed,
    ):
        database.prepare()
    assert "s3cret" not in str(failed.value)


def test_new_tables_are_before_the_founding(tmp_path: Path, url: str | None) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK, url) as database:
        assert database.prepare() == NOTHING_YET
        assert database.prepare() == NOTHING_YET
        with pytest.raises(NotReady), database.reading():
            pass


def test_tables_of_another_network_are_refused_until_they_are_made_anew(
    tmp_path: Path, url: str | None
) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK, url) as database:
        database.prepare()
    with ProjectionDatabase.open(tmp_path, OTHER, url) as database:
        with pytest.raises(OtherLedger, match="rebuild"):
            database.prepare()
        database.reset()
        assert database.prepare() == NOTHING_YET


def test_tables_of_a_newer_release_are_refused(tmp_path: Path, url: str | None) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK, url) as database:
        database.prepare()
        with database.writing() as connection:
            connection.execute(text(f"UPDATE meta SET value = '{FORMAT + 1}' WHERE name = 'format'"))
        with pytest.raises(FormatUnknown, match=f"format {FORMAT + 1}"):
            database.prepare()


def test_tables_of_an_older_release_are_made_anew(tmp_path: Path, url: str | None) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK, url) as database:
        database.prepare()
        with database.writing() as connection:
            connection.execute(text("UPDATE meta SET value = '0' WHERE name = 'format'"))
            connection.execute(text("UPDATE meta SET value = value || ' older' WHERE name = 'tables'"))
            connection.execute(text("CREATE TABLE older (x INTEGER)"))
            connection.execute(text("UPDATE progress SET height = 9"))
        assert database.prepare() == NOTHING_YET
        with database.writing() as connection, pytest.raises(DatabaseFailed), database._translating():
            connection.execute(text("SELECT * FROM older"))


@pytest.mark.parametrize("table", ["meta", "journal"])
def test_a_database_with_tables_of_others_is_refused(tmp_path: Path, url: str | None, table: str) -> None:
    with ProjectionDatabase.open(tmp_path, NETWORK, url) as database:
        with database.writing() as connection:
            connection.execute(text(f"CREATE TABLE {table} (x INTEGER)"))
        with pytest.raises(FormatUnknown, match="of their own"):
            database.prepare()

"""A database of projections: opening it, making its tables, and its position. SQLite by file, PostgreSQL by address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from traco.projections.errors import (
    AddressInvalid,
    DatabaseFailed,
    FormatUnknown,
    NotReady,
    OtherLedger,
    PositionMoved,
)
from traco.projections.files import SQLITE_FILE, make_private
from traco.projections.schema import FORMAT, meta, metadata, progress

BEFORE_FOUNDING: Final = -1
_BUSY_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}
_REBUILD: Final = "make them anew: traco node projections rebuild DIR"


class Progress(NamedTuple):
    """Up to which block everything is in the tables (-1: nothing), and how many entries the journal has."""

    height: int
    time_ms: int
    app_hash: bytes
    entries: int


_FOREIGN: Final = "the database has other tables than those of projections; give them a database of their own"
NOTHING_YET: Final = Progress(BEFORE_FOUNDING, 0, b"", 0)


class ProjectionDatabase:
    """One database of projections of one network. For several threads; close it after use."""

    def __init__(self, url: URL, network: bytes) -> None:
        self.network = network
        self._found = False
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        self._driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error

    @classmethod
    def open(
        cls, directory: Path, network: bytes, url: str | None = None, password_file: Path | None = None
    ) -> Self:
        """The database of a node: ``url``, or the file in its directory. Raises ``AddressInvalid``."""
        return cls(address(directory, url, password_file), network)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that changes rows: all of it, or nothing. Raises ``DatabaseFailed``."""
        with self._translating(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[tuple[Connection, Progress]]:
        """A transaction that sees the tables as of one position, with that position.

        Raises ``NotReady`` where there is nothing yet, ``DatabaseFailed``, ``FormatUnknown``, ``OtherLedger``.
        """
        options: dict[str, Any] = (
            {"traco_reads": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        )
        with (
            self._translating(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            found = self.position(connection)
            if found is None or found.height == BEFORE_FOUNDING:
                raise NotReady("there is nothing in the projections yet; start the node, or " + _REBUILD)
            yield connection, found

    def position(self, connection: Connection) -> Progress | None:
        """Where the tables are; None where there are none, or those of an older release.

        Raises ``FormatUnknown``, ``OtherLedger``.
        """
        found = self._meta(connection)
        if not found or int(found["format"]) < FORMAT:
            return None
        if found["network"] != self.network.hex():
            raise OtherLedger(
                f"the projections are of network {found['network']}; use another database, or {_REBUILD}"
            )
        return _read_progress(connection)

    def _meta(self, connection: Connection) -> dict[str, str]:
        """What the tables say of themselves; empty where there are none. Raises ``FormatUnknown``."""
        if not self._found:  # looking for tables costs more than most reports
            if not inspect(connection).has_table(meta.name):
                return {}
            if {column["name"] for column in inspect(connection).get_columns(meta.name)} != {"name", "value"}:
                raise FormatUnknown(_FOREIGN)
            self._found = True
        found = {row.name: row.value for row in connection.execute(select(meta))}
        if not found.get("format", "").isdecimal():
            raise FormatUnknown(_FOREIGN)
        if int(found["format"]) > FORMAT:
            raise FormatUnknown(
                f"the projections have format {found['format']}, this release knows {FORMAT}; start the newer release, or {_REBUILD}"
            )
        return found

    def prepare(self) -> Progress:
        """Make what tables are missing, those of an older release anew; the position.

        Raises ``DatabaseFailed``, ``FormatUnknown``, ``OtherLedger``.
        """
        with self.writing() as connection:
            return self.position(connection) or self._make(connection)

    def reset(self) -> None:
        """Drop all that was made of any ledger, in one transaction. Raises ``DatabaseFailed``."""
        with self.writing() as connection:
            self._make(connection)

    def _make(self, connection: Connection) -> Progress:
        """Empty tables in the place of those that are there, if they are ours."""
        names = set(inspect(connection).get_table_names())
        if meta.name in names:
            former = connection.execute(select(meta.c.value).where(meta.c.name == "tables")).scalar()
            for name in (former or "").split():
                if name in names:
                    connection.execute(text(f"DROP TABLE {_quoted(connection, name)}"))
        foreign = set(inspect(connection).get_table_names()) & set(metadata.tables)
        if foreign:
            raise FormatUnknown(
                f"the database has tables of others ({', '.join(sorted(foreign))}); give the projections a database of their own"
            )
        metadata.create_all(connection)
        tables = " ".join(sorted(metadata.tables))
        content = {"format": str(FORMAT), "network": self.network.hex(), "tables": tables}
        connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in content.items()])
        connection.execute(progress.insert(), {"one": 1, **NOTHING_YET._asdict()})
        return NOTHING_YET

    @staticmethod
    def claim(connection: Connection, position: Progress) -> None:
        """Begin a transaction that goes on from a position: nobody else does until it ends.

        Raises ``PositionMoved`` where somebody did since the position was read.
        """
        if _read_progress(connection, lock=True) != position:
            raise PositionMoved("another process writes the projections too; go on from where they are now")

    @staticmethod
    def move(connection: Connection, reached: Progress) -> None:
        """Move the position, in the transaction that wrote the rows."""
        connection.execute(progress.update().values(**reached._asdict()))

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, NoConnection, self._driver_error) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
            raise DatabaseFailed(
                f"the database of the projections ({self.engine.url.render_as_string(hide_password=True)}) does not do what it "
                f"should: {reason[0]}. See that it runs, has space and lets this user in; the ledger itself is not affected."
            ) from error


def address(directory: Path, url: str | None, password_file: Path | None = None) -> URL:
    """Where the projections of a node are. Raises ``AddressInvalid``."""
    if url is None:
        return URL.create("sqlite", database=str(directory / SQLITE_FILE))
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise AddressInvalid(
            "the address of the projections is no URL; write postgresql://user@host/database"
        ) from None
    if parsed.drivername not in _DRIVERS:
        raise AddressInvalid(
            f"projections cannot be kept in {parsed.drivername!r}; write postgresql://user@host/database, or nothing for SQLite"
        )
    if parsed.password is not None:
        raise AddressInvalid(
            "a password does not belong into the address; put it into a file and name that as password_file"
        )
    password = None if password_file is None else _read_password(password_file)
    return parsed.set(drivername=_DRIVERS[parsed.drivername], password=password)


def _read_password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise AddressInvalid(
            f"the password of the projections cannot be read from {path}: {reason}"
        ) from None


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        make_private(url.database)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None})

    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a power cut may take back the last blocks, never half of one
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("traco_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_SECONDS})


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _read_progress(connection: Connection, *, lock: bool = False) -> Progress:
    wanted = select(progress)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one()  # SQLite locks with BEGIN
    return Progress(row.height, row.time_ms, bytes(row.app_hash), row.entries)

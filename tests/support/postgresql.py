"""A PostgreSQL server of its own for tests: in a temporary directory, on a socket in it, as an ordinary user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

ROLE = "traco"
_FOLDERS = "/usr/lib/postgresql"  # where Debian has the programs of each version
_ORDINARY = ("postgres", "nobody")


class Server:
    """A running server. ``database`` gives what to a client is a new, empty database.

    It is a schema: making and removing hundreds of files for each test takes longer than most tests.
    """

    def __init__(self, folder: Path) -> None:
        self._address = f"postgresql://{ROLE}@/postgres?host={quote(str(folder))}"
        self._made = 0

    def database(self) -> str:
        """The address of a database that nobody else uses."""
        self._made += 1
        name = f"test{self._made}"
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{self._address}&options={quote(f'-csearch_path={name}')}"


def programs() -> Path | None:
    """The folder with the server's programs, of the newest version that is installed."""
    found = sorted(
        Path(_FOLDERS).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].partition(".")[0])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


@contextmanager
def running(folder_of_programs: Path) -> Generator[Server, None, None]:
    """A server until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="traco-pg-"))
    user = _ordinary_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        uid, gid = (None, None) if user is None else (user.pw_uid, user.pw_gid)
        command = [str(folder_of_programs / program), "-D", str(data), *arguments]
        with (folder.parent / f"{folder.name}.out").open("ab") as out:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"}, user=uid, group=gid, extra_groups=None if uid is None else [],
            )  # fmt: skip

    try:
        run("initdb", "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        settings = (
            f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=20 -c shared_buffers=32MB"
        )
        run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", settings)
        try:
            yield Server(folder)
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.out").unlink(missing_ok=True)


def _ordinary_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: None for ourselves; somebody else for root, whom the server refuses."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _ORDINARY if name in known)

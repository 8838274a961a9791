"""Disks that are full, and files that end in the middle of a record, as after a power cut."""

import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from torture_cluster.scene import Fault, Scene
from torture_cluster.sites import Site, copy_directory
from traco.node.directory import LEDGER_FILE

ENGINE_LOG: Final = "engine/data/cs.wal/wal"
LEDGER_LOG: Final = f"{LEDGER_FILE}-wal"
TORN_BYTES: Final = 4_096
LOG_HEADER_BYTES: Final = 32
FRAME_BYTES: Final = 24 + 4_096  # of a log: a header and a page
DISK_BYTES: Final = 268_435_456
LEFT_BYTES: Final = 262_144
FULL_SECONDS: Final = 60.0
BALLAST: Final = "ballast"


def torn_engine_log(scene: Scene) -> None:
    """The engine's write-ahead log ends in garbage, in nothing, or too early."""
    (site,) = scene.choose()
    scene.kill(site)
    path = site.directory / ENGINE_LOG
    if path.exists():
        _damage(path, range(path.stat().st_size), scene.random)
        scene.count("torn write-ahead log of an engine")
    scene.network.start([site])


def torn_ledger_log(scene: Scene) -> None:
    """The last blocks of the ledger are gone, as if the disk had lied; the engine hands them over again."""
    (site,) = scene.choose()
    site.height()  # whoever opens a log that nobody has open makes its index anew, without what it says of the database
    scene.kill(site)
    before = site.height()
    # No program outlives its machine: what still has the log open goes by its index, and would have the node do the same.
    site.forget_reader()
    written = log_alone(site.directory / LEDGER_FILE)
    if written:
        _damage(site.directory / LEDGER_LOG, written, scene.random)
        scene.count("torn write-ahead log of a ledger")
        scene.counts["work: blocks torn off a ledger"] += before - site.height()
        site.forget_reader()
    scene.network.start([site])


def log_alone(ledger: Path) -> range:
    """The bytes of a ledger's log that are nowhere else: committed, and not moved into the database so far.

    Reads the log's index, by which SQLite's processes know it. Nothing in this process may have the ledger open: closing the
    index's file would end its locks (POSIX).
    """
    index = ledger.with_name(f"{ledger.name}-shm")
    if not index.exists():
        return range(0)
    content = index.read_bytes()
    committed, moved = (int.from_bytes(content[at : at + 4], sys.byteorder) for at in (16, 128))
    return range(*(LOG_HEADER_BYTES + frames * FRAME_BYTES for frames in (moved, committed)))


def _damage(path: Path, written: range, chance: random.Random) -> None:
    lost = min(len(written), chance.randint(1, TORN_BYTES))
    kind = chance.choice(("cut", "zeros", "garbage"))
    os.truncate(path, written.stop - lost)
    if kind != "cut":
        with path.open("ab") as file:
            file.write(bytes(lost) if kind == "zeros" else chance.randbytes(lost))


def full_disk(scene: Scene) -> None:
    """A node's disk becomes full under it: it stops; with space made it follows again."""
    (site,) = scene.choose()
    site.terminate()
    site.await_end()
    with _small_disk(site):
        scene.network.start([site])
        ballast = site.directory / BALLAST
        _fill(ballast)
        scene.count("full disk")
        scene.network.await_true(
            lambda: not site.is_started, FULL_SECONDS, lambda: f"{site.name} goes on with a full disk"
        )  # fmt: skip
        scene.goes_on(scene.others([site]))
        site.kill()
        ballast.unlink()
        scene.network.start([site])
        scene.network.await_recovered(scene.honest)
        site.terminate()
        site.await_end()
    scene.network.start([site])


def _fill(ballast: Path) -> None:
    """Fill the disk but for a little."""
    with ballast.open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(bytes(LEFT_BYTES))
    os.truncate(ballast, max(0, ballast.stat().st_size - LEFT_BYTES))


@contextmanager
def _small_disk(site: Site) -> Iterator[None]:
    """The node's directory on a file system of its own; moved back in the end."""
    kept = site.directory.with_suffix(".moved")
    site.directory.rename(kept)
    site.directory.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", site.directory], check=True)
    try:
        site.forget_reader()
        copy_directory(kept, site.directory)
        yield
        shutil.rmtree(kept)
        copy_directory(site.directory, kept)
    finally:
        site.kill()
        site.forget_reader()
        subprocess.run(["umount", site.directory], check=True)
        site.directory.rmdir()
        kept.rename(site.directory)


@functools.cache
def needs_mounts() -> str:
    """Why no small file system can be made here, or nothing."""
    if os.geteuid() != 0:
        return "only root mounts a small file system"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
    return "" if done.returncode == 0 else "this machine lets nobody mount a small file system"


DISK_FAULTS: Final = (
    Fault("torn_engine_log", "an engine's write-ahead log is torn", torn_engine_log, 15),
    Fault("torn_ledger_log", "a ledger's write-ahead log is torn", torn_ledger_log, 15),
    Fault("full_disk", "a disk becomes full", full_disk, 60, needs_mounts),
)

"""Checks an installation: each check says ok, warn or fail, what it found, and what to do.

It changes nothing but a scratch file for measuring the disk, and may run beside the node. What needs the passphrase is
not looked into: whether the keys open is found at the start.
"""

import ctypes
import os
import platform
import resource
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import apsw
from cryptography import x509

from traco import __version__
from traco.client.keystore_file import KeyStoreError, parse_file
from traco.client.private_file import read_private
from traco.engine.cometbft.errors import EngineKeysInvalid, EngineMissing
from traco.engine.cometbft.home import read_keys, require_signing_state
from traco.engine.cometbft.install import find_engine
from traco.kernel import crypto
from traco.kernel.errors import Halt, LedgerError
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.statetree import InconsistentState
from traco.node.api.tls import find_authorities, find_certificate
from traco.node.configuration import ConfigurationInvalid, NodeConfig, read_configuration
from traco.node.directory import (
    ENGINE_FOLDER,
    FINGERPRINT_KEYS_FILE,
    KEYS_FILE,
    LEDGER_FILE,
    NodeDirectoryError,
    is_node_directory,
    read_genesis,
    require_complete,
)
from traco.node.health import free_bytes
from traco.node.projector import open_projections
from traco.node.running import holder
from traco.node.supervisor import listening_socket
from traco.projections.errors import NotReady
from traco.projections.files import SQLITE_FILE
from traco.storage.database import open_reader, read_meta, require_network
from traco.storage.errors import halting
from traco.storage.loading import read_head

MAX_KEY_FILE_BYTES: Final = 1_048_576
LEAST_PYTHON: Final = (3, 11)
LEAST_SQLITE: Final = (3, 46)
SYNCS: Final = 40
SYNC_WARN_S: Final = 0.02
"""A block waits for two syncs: with slower ones a node makes fewer than 25 blocks a second."""
SPEED_BYTES: Final = 33_554_432
SPEED_WARN: Final = 20_000_000  # bytes per second
AHEAD_MS: Final = 1_000  # how far the last block may be ahead of the clock
CERTIFICATE_DAYS: Final = 30
OWN_FILES: Final = 256  # descriptors for databases, logs and links
_TIME_ERROR: Final = 5  # of adjtimex: the clock is not synchronised
_TIMEX_BYTES: Final = 256  # more than struct timex has


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """The outcome of one check; ``advice`` is empty where all is well."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


class Patient(NamedTuple):
    """What is examined. ``config`` is None where it is not usable."""

    directory: Path
    config: NodeConfig | None
    holder: int | None  # the process that runs the node


def examine(
    directory: Path, environment: Mapping[str, str] | None = None, now_ms: Callable[[], int] | None = None
) -> Iterator[Finding]:
    """Every check, one after the other; for a directory that is no node's, that alone."""
    if not is_node_directory(directory):
        yield _fail("directory", f"{directory} is no node's directory", "Make one with: traco node init DIR")
        return
    configuration, config = _configuration(directory, environment)
    yield configuration
    patient = Patient(directory, config, holder(directory))
    clock = now_ms or (lambda: time.time_ns() // 1_000_000)
    for check in (
        _versions, _library, _complete, _permissions, _keys, _space, _disk, _open_files, _synchronised, _port, _certificate,
        _projections,
    ):  # fmt: skip
        yield check(patient)
    yield from _engine(patient)
    yield from _ledger(patient, clock())


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in (Verdict.FAIL, Verdict.WARN) if verdict in found), Verdict.OK)


def _ok(check: str, found: str) -> Finding:
    return Finding(check, Verdict.OK, found)


def _warn(check: str, found: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARN, found, advice)


def _fail(check: str, found: str, advice: str) -> Finding:
    return Finding(check, Verdict.FAIL, found, advice)


def _configuration(
    directory: Path, environment: Mapping[str, str] | None
) -> tuple[Finding, NodeConfig | None]:
    try:
        config = read_configuration(directory, environment).config
    except ConfigurationInvalid as error:
        advice = "Correct node.json or the environment; `traco node config` lists all names."
        return _fail("configuration", "; ".join(error.problems), advice), None
    return _ok("configuration", f"{config.url}, {config.verifiers} verifiers"), config


def _versions(_: Patient) -> Finding:
    python, sqlite = sys.version_info[:3], apsw.sqlite_lib_version()
    found = f"traco {__version__}, Python {platform.python_version()}, SQLite {sqlite}, {ssl.OPENSSL_VERSION}"
    if python < LEAST_PYTHON:
        return _fail("versions", found, "Install Python 3.11 or newer.")
    if tuple(map(int, sqlite.split(".")[:2])) < LEAST_SQLITE:
        return _fail("versions", found, "Install the pinned apsw, which brings its own SQLite.")
    return _ok("versions", found)


def _library(_: Patient) -> Finding:
    try:
        crypto.check_library()
    except crypto.LibraryUnsuitable as error:
        return _fail("libsodium", str(error), "Install the pinned PyNaCl.")
    return _ok("libsodium", "decides on signatures by this ledger's rule")


def _complete(patient: Patient) -> Finding:
    try:
        require_complete(patient.directory)
        read_genesis(patient.directory)
    except NodeDirectoryError as error:
        return _fail("files", str(error), "Restore what is missing from a backup.")
    return _ok("files", "everything that a backup has is there")


def _permissions(patient: Patient) -> Finding:
    open_ones: list[str] = []
    foreign: list[str] = []
    for path in (patient.directory, *sorted(_files(patient.directory))):
        try:
            status = path.lstat()
        except OSError:
            continue  # it went away meanwhile
        if status.st_mode & 0o077:
            open_ones.append(path.name)
        if status.st_uid != os.geteuid():
            foreign.append(path.name)
    if open_ones:
        return _fail(
            "permissions", f"others may use {', '.join(open_ones)}", f"Run: chmod -R go= {patient.directory}"
        )
    if foreign:
        return _warn(
            "permissions", f"{', '.join(foreign)} belong to another user", "Run this as the user that the node runs as."
        )  # fmt: skip
    return _ok("permissions", "directory and files are for this user alone")


def _files(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _keys(patient: Patient) -> Finding:
    for name in (KEYS_FILE, FINGERPRINT_KEYS_FILE):
        path = patient.directory / name
        try:
            parse_file(read_private(path, MAX_KEY_FILE_BYTES), path)
        except FileNotFoundError:
            return _fail("keys", f"{name} is missing", "Restore it from a backup.")
        except (OSError, KeyStoreError) as error:
            return _fail("keys", f"{name}: {error}", "Give the file mode 0600, or restore it from a backup.")
    return _ok("keys", "both key stores are whole (they were not opened)")


def _space(patient: Patient) -> Finding:
    least = (patient.config or NodeConfig()).health.free_bytes
    free = free_bytes(patient.directory)
    found = f"{free / 1e9:.1f} GB free"
    if free < least:
        return _fail(
            "space", found, "Make space: below health.free_bytes the node says that it is not ready."
        )
    if free < 10 * least:
        return _warn(
            "space", found, "Plan for a larger disk: an audit needs several times the ledger's size."
        )
    return _ok("space", found)


def _disk(patient: Patient) -> Finding:
    try:
        syncs, speed = measure_disk(patient.directory)
    except OSError as error:
        return _fail("disk", f"it cannot be written: {error.strerror}", "Check disk, mount and permissions.")
    median, slowest = statistics.median(syncs), max(syncs)
    found = f"sync {median * 1000:.1f} ms (slowest {slowest * 1000:.1f} ms), {speed / 1e6:.0f} MB/s"
    if median > SYNC_WARN_S:
        return _warn(
            "disk", found, "Every block waits for syncs: use a local SSD, with nothing else busy on it."
        )
    if speed < SPEED_WARN:
        return _warn("disk", found, "Writing is slow: backups and audits will take long on this disk.")
    return _ok("disk", found)


def measure_disk(directory: Path, syncs: int = SYNCS, size: int = SPEED_BYTES) -> tuple[list[float], float]:
    """Seconds of each of some small synced writes, and bytes per second of a large one. Raises ``OSError``."""
    durations: list[float] = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(syncs):
            begun = time.perf_counter()
            file.write(bytes(4_096))
            os.fsync(file.fileno())
            durations.append(time.perf_counter() - begun)
        chunk = os.urandom(1_048_576)
        begun = time.perf_counter()
        for _ in range(size // len(chunk)):
            file.write(chunk)
        os.fsync(file.fileno())
        return durations, size / max(time.perf_counter() - begun, 1e-9)


def _open_files(patient: Patient) -> Finding:
    limits = (patient.config or NodeConfig()).limits
    needed = limits.requests_at_once_all + limits.streams_all + OWN_FILES
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft} open files allowed, {needed} wanted"
    if soft != resource.RLIM_INFINITY and soft < needed:
        return _warn("open files", found, f"Raise the limit: ulimit -n {needed}, or LimitNOFILE in the unit.")
    return _ok("open files", found)


def _synchronised(_: Patient) -> Finding:
    state = clock_state()
    if state is None:
        return _warn("clock", "whether it is synchronised cannot be read", "See that the machine uses NTP.")
    if state == _TIME_ERROR:
        return _warn("clock", "it is not synchronised", "Have the machine use NTP: timedatectl set-ntp true")
    return _ok("clock", "synchronised")


def clock_state() -> int | None:
    """What the kernel says of the clock (``adjtimex``); None where it does not tell."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state


def _port(patient: Patient) -> Finding:
    if patient.config is None:
        return _warn("port", "not known without a configuration", "Correct the configuration first.")
    host, port = patient.config.host, patient.config.port
    if patient.holder is not None:
        return _ok("port", f"{port}; the node runs (process {patient.holder})")
    try:
        listening_socket(host, port).close()
    except NodeDirectoryError as error:
        return _fail("port", str(error), "Stop what uses the port, or choose another one.")
    return _ok("port", f"{port} on {host} is free")


def _certificate(patient: Patient) -> Finding:
    if patient.config is None or patient.config.tls is None:
        return _ok("certificate", "none is configured, and none is needed on loopback")
    try:
        found = find_certificate(patient.directory, patient.config)
        if found is None:
            return _ok("certificate", "none")
        certificate = x509.load_pem_x509_certificate(found.chain.read_bytes())
    except (LedgerError, OSError, ValueError) as error:
        return _fail("certificate", str(error), "Correct tls.certificate and tls.key.")
    now, ends = datetime.now(UTC), certificate.not_valid_after_utc
    said = f"for {', '.join(found.names)}, until {ends:%Y-%m-%d}"
    if not certificate.not_valid_before_utc <= now < ends:
        return _fail("certificate", f"{said}: not valid today", "Renew it, and start the node again.")
    if ends - now < timedelta(days=CERTIFICATE_DAYS):
        return _warn("certificate", said, "Renew it soon, and start the node again.")
    return _ok("certificate", said)


def _projections(patient: Patient) -> Finding:
    if patient.config is None:
        return _warn("projections", "not known without a configuration", "Correct the configuration first.")
    wanted = patient.config.projections
    if wanted.enabled and wanted.url is None and not (patient.directory / SQLITE_FILE).exists():
        return _ok("projections", "not made yet; the projector does at the first start")
    try:
        network = network_id(parse_genesis(read_genesis(patient.directory)))
        database = open_projections(patient.directory, network, patient.config)
        if database is None:
            return _ok("projections", "off")
        with database, database.reading() as (_, position):
            return _ok("projections", f"at height {position.height}")
    except NotReady:
        return _ok("projections", "the database answers; there is nothing in it yet")
    except LedgerError as error:
        return _fail("projections", str(error), "Correct the projections.* settings, or start the database.")


def _engine(patient: Patient) -> Iterator[Finding]:
    """The engine of a cluster: the program, its keys, its port. Nothing where the node orders alone."""
    if patient.config is None or not (patient.directory / ENGINE_FOLDER).is_dir():
        return
    config = patient.config.engine
    try:
        engine = find_engine(None if config.program is None else Path(config.program))
        keys = read_keys(patient.directory / ENGINE_FOLDER)
        require_signing_state(patient.directory / ENGINE_FOLDER)
        find_authorities(patient.directory, patient.config)
        if patient.holder is None:
            listening_socket(config.p2p_host, config.p2p_port).close()
    except EngineMissing as error:
        yield _fail("engine", str(error), "Run: traco engine install")
    except EngineKeysInvalid as error:
        yield _fail("engine", str(error), "Do not start a second copy of this node; then do what is said.")
    except NodeDirectoryError as error:
        yield _fail(
            "engine",
            str(error),
            "Correct engine.p2p_host, engine.p2p_port or engine.ca_file, or stop what uses the port.",
        )
    else:
        yield _ok("engine", f"CometBFT {engine.record.version} as it was built, peer {keys.peer.hex()}")


def _ledger(patient: Patient, now_ms: int) -> Iterator[Finding]:
    path = patient.directory / LEDGER_FILE
    try:
        network = network_id(parse_genesis(read_genesis(patient.directory)))
        with halting(str(path)), closing(open_reader(str(path), None)) as connection:
            meta = read_meta(connection, str(path))
            require_network(meta, str(path), network, meta["ledger"])
            head = read_head(connection)
    except (LedgerError, Halt, InconsistentState) as error:
        yield _fail("ledger", str(error), "Restore a backup; `traco node audit` finds what is wrong.")
        return
    size = path.stat().st_size
    yield _ok(
        "ledger", f"format {int.from_bytes(meta['format'], 'big')}, height {head.height}, {size / 1e6:.1f} MB"
    )
    ahead = head.time_ms - now_ms
    if ahead > AHEAD_MS:
        yield _fail(
            "block time", f"the last block is {ahead / 1000:.0f} s ahead of this machine's clock",
            "Set the clock right before you start the node: blocks would stand still at the old time.",
        )  # fmt: skip
    else:
        moment = datetime.fromtimestamp(head.time_ms / 1000, UTC)
        yield _ok("block time", f"the last block is of {moment:%Y-%m-%d %H:%M:%S} UTC")

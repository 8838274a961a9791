"""Engines that misbehave: CometBFT built from a copy of its published source, changed in one place. Kept under build/.

``clock_shifted(3600)``: every clock that the engine reads is an hour ahead.
"""

import os
import re
import shutil
import subprocess
import tempfile
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import msgspec

from support.engine import ROOT
from traco.engine.cometbft.install import (
    MODULE,
    MODULE_HASH,
    PROGRAM,
    RECORD,
    USUAL_GO,
    VERSION,
    EngineRecord,
)

FOLDER: Final = ROOT / "build" / "engines"
CLOCK: Final = "types/time/time.go"
TOLERANCE: Final = "state/validation.go"
_NOW: Final = re.compile(r"\btime\.Now\(\)")


def go_program() -> str | None:
    """Go on this machine, or None."""
    found = shutil.which("go")
    return found or (str(USUAL_GO) if USUAL_GO.exists() else None)


def needs_go() -> str:
    """Why no engine can be built here, or nothing."""
    return "" if go_program() else "Go is not on this machine"


def clock_shifted(seconds: int) -> Path:
    """The program of an engine whose clock is so many seconds ahead; built on first use (a minute)."""
    target = FOLDER / f"clock{seconds:+d}"
    if not (target / RECORD).exists():
        _build(target, {CLOCK: seconds, TOLERANCE: seconds})
    return target / PROGRAM


def _build(target: Path, shifted: dict[str, int]) -> None:
    """Build with shifted clocks in these files."""
    go = go_program()
    assert go is not None
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        source = Path(folder) / "source"
        shutil.copytree(_module(go), source, ignore=shutil.ignore_patterns("docs", "*_test.go", "spec"))
        for name, seconds in shifted.items():
            path = source / name
            path.chmod(0o644)
            text, count = _NOW.subn(f"time.Now().Add({seconds} * time.Second)", path.read_text())
            assert count, f"{name} reads no clock"
            path.write_text(text)
        built = Path(folder) / PROGRAM
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
        command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(built), "./cmd/cometbft"]
        _make_writable(source)
        subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
        built.replace(target / PROGRAM)
    with (target / PROGRAM).open("rb") as program:
        sha256 = file_digest(program, "sha256").hexdigest()
    record = EngineRecord(version=VERSION, module_hash=MODULE_HASH, sha256=sha256, go="for torture alone")
    (target / RECORD).write_bytes(msgspec.json.encode(record))


def _module(go: str) -> Path:
    """Where Go keeps the published source."""
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"], check=True, capture_output=True,
        env={**os.environ, "GOFLAGS": "-mod=mod"},
    )  # fmt: skip
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return Path(found["Dir"])


def _make_writable(source: Path) -> None:
    """Go keeps its sources read-only, and copies are, too; then they could not be removed."""
    for folder, _, files in os.walk(source):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            path.chmod(path.stat().st_mode | 0o200)

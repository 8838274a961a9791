"""Runs the independent signers, which take the same commands."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from independent.judging import NODE

HERE: Final = Path(__file__).parent
PROGRAMS: Final[dict[str, tuple[str, ...]]] = {
    "python": (sys.executable, "-I", str(HERE / "signer.py")),  # isolated: it cannot import this project
    "node": (NODE or "node", str(HERE / "signer.mjs")),
}
SCHEMES: Final = ("ed25519", "p256")
SECONDS: Final = 300


def run_signer(program: str, *arguments: str) -> str:
    """What a signer prints."""
    done = subprocess.run(
        [*PROGRAMS[program], *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout.rstrip("\n")


def make_key(program: str, scheme: str, path: Path) -> bytes:
    """The public key of a new key in this file."""
    return bytes.fromhex(run_signer(program, "key", str(path), scheme))


def transfer(program: str, key: Path, url: str, **fields: Any) -> dict[str, Any]:
    """What the node answered to a transfer that a signer signed and submitted."""
    answer: dict[str, Any] = json.loads(run_signer(program, "transfer", str(key), url, json.dumps(fields)))
    return answer

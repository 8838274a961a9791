"""Takes the engine's own record back by one height, so that it executes its last block once more."""

import re
import subprocess
from pathlib import Path
from typing import Final

from traco.engine.cometbft.errors import EngineFailed

TIMEOUT_SECONDS: Final = 600.0
_SAID: Final = re.compile(r"Rolled back state to height ([0-9]+)")
_SHOWN: Final = 400


def roll_back_engine(program: Path, home: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
    """Have the engine, which does not run, forget what came of its last block; the height that it then stands at.

    No block is removed. Raises ``EngineFailed`` (``engine.rollback_failed``).
    """
    command = [str(program), "rollback", "--home", str(home)]
    try:
        done = subprocess.run(  # noqa: S603 -- a program that was checked, and no words of others
            command, capture_output=True, text=True, errors="replace", timeout=timeout_seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed("engine.rollback_failed", f"the engine cannot be rolled back: {error}") from None
    said = _SAID.search(done.stdout)
    if done.returncode or said is None:
        words = " ".join((done.stderr or done.stdout).split())[:_SHOWN]
        raise EngineFailed(
            "engine.rollback_failed",
            f"the engine cannot be rolled back (code {done.returncode}): {words}; nothing was changed",
        )
    return int(said[1])

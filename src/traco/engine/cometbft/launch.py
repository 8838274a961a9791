"""Becomes the engine, in a process that ends with its parent: ``python launch.py PARENT PROGRAM ARGUMENTS``.

It stands between because the wish to end with the parent must be made by the child itself, and code between fork and exec is
not safe in a parent with threads. It runs without the project, on its own.
"""

import ctypes
import os
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2); kept over exec
PARENT_GONE = 75
NOT_STARTED = 76


def end_with_parent() -> None:
    """Have the system kill this process, and the program that it becomes, when its parent ends."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def launch(parent: int, program: str, arguments: list[str]) -> int:
    """Replace this process. Returns only where that cannot be."""
    end_with_parent()
    if os.getppid() != parent:
        return PARENT_GONE
    try:
        os.execv(program, [program, *arguments])  # noqa: S606 - the arguments are ours, and no shell reads them
    except OSError as error:
        sys.stderr.write(f"ERROR: {program} cannot be started: {error.strerror}\n")
        return NOT_STARTED


if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))

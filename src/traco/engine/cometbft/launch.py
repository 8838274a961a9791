"""Becomes the engine, in a process that ends with its parent: ``python launch.py PARENT PROGRAM ARGUMENTS``.

It stands between because the wish to end with the parent must be made by the child itself, and code between fork and exec is
not safe in a parent with threads. It runs without the project, on its own.
"""

import ctypes
import os
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2); kept over exec
SET_TIMER_SLACK = 29  # PR_SET_TIMERSLACK, prctl(2); kept over exec, and for all threads
TIMER_SLACK_NS = 1_000_000
"""How much later than asked for timers may go off. The engine looks every 2 ms, for each of its peers, whether there is
something to tell; with the system's 50 us nearly every look wakes it on its own, with this they come together: a third less
of an idle node's work. Sockets wake it at once as before."""

PARENT_GONE = 75
NOT_STARTED = 76


def end_with_parent() -> None:
    """Have the system kill this process, and the program that it becomes, when its parent ends."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def let_timers_meet() -> None:
    """Have the system put timers of this process, and of the program that it becomes, together."""
    ctypes.CDLL(None).prctl(SET_TIMER_SLACK, TIMER_SLACK_NS, 0, 0, 0)


def launch(parent: int, program: str, arguments: list[str]) -> int:
    """Replace this process. Returns only where that cannot be."""
    end_with_parent()
    if os.getppid() != parent:
        return PARENT_GONE
    let_timers_meet()
    try:
        os.execv(program, [program, *arguments])  # noqa: S606 - the arguments are ours, and no shell reads them
    except OSError as error:
        sys.stderr.write(f"ERROR: {program} cannot be started: {error.strerror}\n")
        return NOT_STARTED


if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))

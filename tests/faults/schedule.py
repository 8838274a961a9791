"""Which operation on a simulated disk fails, and how: full disk, I/O error or power cut.

BaseException
  PowerCut          the machine is off; not an Exception, so that no handler of the program under test sees it
"""

from __future__ import annotations

import enum
from collections import Counter

import apsw


class Operation(enum.Enum):
    """What SQLite asks of a disk."""

    CREATE = "create"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"


_ERROR_CODES = {
    Operation.CREATE: apsw.SQLITE_CANTOPEN,
    Operation.READ: apsw.SQLITE_IOERR_READ,
    Operation.WRITE: apsw.SQLITE_IOERR_WRITE,
    Operation.TRUNCATE: apsw.SQLITE_IOERR_TRUNCATE,
    Operation.SYNC: apsw.SQLITE_IOERR_FSYNC,
    Operation.DELETE: apsw.SQLITE_IOERR_DELETE,
}


class PowerCut(BaseException):
    """The power failed at a change of the disk; every later change on the same machine raises this again.

    It comes out of apsw unchanged, except when `with connection:` fails to commit: that raises an
    apsw.SQLError with the PowerCut as context. Reads go on, so that SQLite can roll back: nothing is
    acknowledged by reading.
    """


def sqlite_error(code: int, message: str) -> apsw.Error:
    """An exception that apsw hands to SQLite as the given result code."""
    error = apsw.exception_for(code)
    if not isinstance(error, apsw.Error):
        raise TypeError(f"{code} is not an error code of SQLite")
    error.args = (message,)
    # apsw reads the attribute, its type stubs do not declare it.
    error.extendedresult = code  # type: ignore[attr-defined]
    return error


class Faults:
    """Counts the operations of one simulated machine and decides which of them fail.

    `changes` counts the operations that change the disk (all kinds but READ) since the machine started:
    these are the points at which a power cut makes a difference. `counts` counts every kind.
    """

    def __init__(self) -> None:
        self.counts: Counter[Operation] = Counter()
        self.changes = 0
        self.power_is_off = False
        self._crash_at: int | None = None
        self._error_kind: Operation | None = None
        self._error_countdown = 0
        self._error_lasts = False
        self.failed_sync_forgets = False
        self._free_bytes: int | None = None

    def crash_at(self, change: int) -> None:
        """The power fails at the change of that number, counted from 1 as in `changes`."""
        if change <= self.changes:
            raise ValueError(f"change {change} has passed; {self.changes} are done")
        self._crash_at = change

    def io_error_at(
        self, n: int, kind: Operation, *, lasting: bool = False, forgets_unsynced: bool = False
    ) -> None:
        """The n-th operation of a kind from now (1 is the next) fails; `lasting`: all later ones too.

        A write that fails has written its first half. A sync that fails leaves the changes unsynced; with
        `forgets_unsynced` they can still be read, but no later sync saves them, as Linux may have it. SQLite
        survives that as long as the process goes on or the machine restarts, not if only the process
        restarts: it then trusts a WAL that is only in memory.
        """
        if n < 1:
            raise ValueError("operations are counted from 1")
        self._error_kind, self._error_countdown, self._error_lasts = kind, n, lasting
        self.failed_sync_forgets = forgets_unsynced

    def repair(self) -> None:
        """No more I/O errors."""
        self._error_kind = None

    def disk_full_after(self, free_bytes: int) -> None:
        """Files may grow by that many bytes from now; a write beyond is cut short and refused."""
        self._free_bytes = free_bytes

    def make_space(self) -> None:
        """Files may grow without limit."""
        self._free_bytes = None

    def power_off(self) -> None:
        """No change reaches the disk from now on."""
        self.power_is_off = True

    def cuts_power(self, operation: Operation) -> bool:
        """Counts a change of the disk; true if the power fails at it. PowerCut if it is off already."""
        if self.power_is_off:
            raise PowerCut("the machine is off")
        self.counts[operation] += 1
        self.changes += 1
        self.power_is_off = self.changes == self._crash_at
        return self.power_is_off

    def fails(self, operation: Operation) -> bool:
        """True if an I/O error is due at this operation."""
        if operation is not self._error_kind:
            return False
        self._error_countdown -= 1
        if self._error_countdown > 0:
            return False
        if not self._error_lasts:
            self.repair()
        return True

    def error(self, operation: Operation) -> apsw.Error:
        """The exception for such a failure: apsw.CantOpenError for CREATE, else apsw.IOError."""
        return sqlite_error(_ERROR_CODES[operation], f"simulated I/O error at a {operation.value}")

    def take_space(self, growth: int) -> int:
        """Takes up to `growth` bytes (may be negative: freed) and returns how many there were."""
        if self._free_bytes is None:
            return growth
        taken = min(growth, self._free_bytes)
        self._free_bytes -= taken
        return taken

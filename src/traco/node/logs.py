"""The node's log: several processes write one file of lines, for people or programs, and turn it over when it is long.

    node.log   node.log.1   node.log.2 ...      newest first; `log.max_bytes` each, `log.keep` older ones

A line is written by one call to a file opened for appending, so that lines of several processes never mix. Whoever finds
the file too long turns it over under a lock on that file; the others notice with their next line that it is another file.
What is secret is not given to loggers; tests plant secrets and search the logs for them.
"""

import errno
import fcntl
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from traco.node.configuration import LogConfig
from traco.node.directory import NODE_LOG

REQUEST: Final[ContextVar[str]] = ContextVar("traco_request", default="")
"""The correlation id of the request that is being answered, or on whose behalf something is done; else empty."""

LIBRARY_LEVEL: Final = logging.WARNING  # other people's loggers say nothing of interest below it
ENGINE_LOG: Final = "engine.log"
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_CONTINUATION: Final = (
    "\n    "  # later lines of an entry are set in, so that nothing written can pass for an entry
)


def request_id(offered: str | None) -> str:
    """The caller's correlation id if it is well-formed (64 letters, digits and ``._:-`` at most), else a new one."""
    if offered is not None and _WELL_FORMED.fullmatch(offered):
        return offered
    return secrets.token_hex(8)


def log_to(directory: Path, config: LogConfig) -> logging.Handler:
    """Send everything that this process logs to the directory's log. The handler, to be closed at the end."""
    handler = NodeLog(directory / NODE_LOG, config.max_bytes, config.keep)
    handler.setFormatter(JsonLines() if config.format == "json" else TextLines())
    root = logging.getLogger()
    for other in list(root.handlers):
        if isinstance(other, NodeLog):
            root.removeHandler(other)
            other.close()
    root.addHandler(handler)
    root.setLevel(max(LIBRARY_LEVEL, logging.getLevelNamesMapping()[config.level.upper()]))
    logging.getLogger("traco").setLevel(config.level.upper())
    return handler


class TextLines(logging.Formatter):
    """One entry per line: time (UTC), level, logger, message, and the request in brackets where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        text = CONTROL.sub("?", self._message(record))
        request = getattr(record, "request", "") or REQUEST.get()
        behind = f" [{request}]" if request else ""
        return (
            f"{_time(record)} {record.levelname} {record.name} {text.replace(chr(10), _CONTINUATION)}{behind}"
        )

    def _message(self, record: logging.LogRecord) -> str:
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return record.getMessage() + trace


class EngineLines(logging.Formatter):
    """The engine's own lines, which have a time and a level already."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return CONTROL.sub("?", record.getMessage())


def engine_log(directory: Path, config: LogConfig) -> Callable[[str], None]:
    """Writes lines of the engine's output to the directory's engine.log, which turns over as node.log does."""
    handler = NodeLog(directory / ENGINE_LOG, config.max_bytes, config.keep)
    handler.setFormatter(EngineLines())

    def write(line: str) -> None:
        handler.handle(logging.LogRecord("cometbft", logging.INFO, "", 0, line, None, None))

    return write


class JsonLines(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``process``, ``message``; ``request`` and ``trace`` where they are."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        entry: dict[str, Any] = {
            "time": _time(record), "level": record.levelname, "logger": record.name, "process": record.process,
            "message": record.getMessage(),
        }  # fmt: skip
        request = getattr(record, "request", "") or REQUEST.get()
        if request:
            entry["request"] = request
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        entry.update(getattr(record, "fields", {}))
        return msgspec.json.encode(entry).decode()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class NodeLog(logging.Handler):
    """Appends lines to a file that other processes append to as well; keeps ``keep`` older files."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        super().__init__()
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        self._trouble, self._lost = "", 0  # why nothing can be written, and how many entries are lost to it
        self._is_cut = False  # the file ends in a part of an entry
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the entry. Where the file takes none, standard error says so once, and when it takes them again."""
        try:
            line = self._line(record)
        except (ValueError, TypeError):
            self.handleError(record)
            return
        try:
            self._follow()
            if self._trouble:
                self._write(self._line(self._gap()))
            self._write(line)
        except OSError as error:
            self._lose(error.strerror or str(error))
        else:
            if self._trouble:
                _tell(f"{self._path} takes entries again; {self._lost} are lost")
            self._trouble, self._lost = "", 0

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode("utf-8", "backslashreplace") + b"\n"

    def _write(self, line: bytes) -> None:
        """Raises ``OSError``, also where only a part of the line found room."""
        line = b"\n" + line if self._is_cut else line
        written = os.write(self._descriptor, line)
        if written < len(line):
            self._is_cut = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_cut = False

    def _gap(self) -> logging.LogRecord:
        """What stands in the place of the entries that are lost."""
        text = f"{self._lost} entries are missing here: {self._trouble}"
        return logging.LogRecord("traco.log", logging.WARNING, "", 0, text, None, None)

    def _lose(self, trouble: str) -> None:
        self._lost += 1
        if trouble != self._trouble:
            self._trouble = trouble
            _tell(
                f"{self._path} takes no entries: {trouble}. The node goes on as long as it can; see to the disk"
            )

    def _follow(self) -> None:
        """Go on in the file that has the name now, and turn it over if it is too long."""
        own = os.fstat(self._descriptor)
        if not self._is_current(own):
            self._reopen()
            own = os.fstat(self._descriptor)
        if own.st_size < self._max_bytes:
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # ends when the descriptor is closed
        if self._is_current(own):
            self._turn_over()
        self._reopen()

    def _is_current(self, own: os.stat_result) -> bool:
        try:
            return os.path.samestat(own, self._path.stat())
        except FileNotFoundError:
            return False

    def _turn_over(self) -> None:
        for number in range(self._keep, 0, -1):
            newer = self._older(number - 1) if number > 1 else self._path
            if newer.exists():
                newer.replace(self._older(number))
        number = self._keep + 1
        while self._older(number).exists():  # kept while ``log.keep`` was larger
            self._older(number).unlink()
            number += 1

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _reopen(self) -> None:
        previous, self._descriptor = self._descriptor, self._open()
        os.close(previous)

    def close(self) -> None:
        """Close the file."""
        self.acquire()
        try:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        finally:
            self.release()
        super().close()


def _tell(text: str) -> None:
    """Say something where no log can; standard error may be on the same disk."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")

"""The node's log: whole lines of several processes, turned over by size, nothing that can pass for an entry."""

import errno
import logging
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from traco.node.configuration import LogConfig
from traco.node.logs import ENGINE_LOG, REQUEST, JsonLines, NodeLog, TextLines, engine_log, log_to, request_id

LOG = "node.log"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("traco")
    before = (list(root.handlers), root.level, ours.level)
    yield root
    for handler in root.handlers:
        if isinstance(handler, NodeLog):
            handler.close()
    root.handlers[:], _, _ = before
    root.setLevel(before[1])
    ours.setLevel(before[2])


def record(message: str, *arguments: Any, level: int = logging.INFO, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("traco.test", level, "", 0, message, arguments, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def write_many(path: str, name: str, count: int) -> None:
    handler = NodeLog(Path(path), 20_000, 200)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(count):
        handler.emit(record(f"{name} {number} " + "x" * 50))
    handler.close()


def test_an_entry_has_time_level_logger_message_and_request() -> None:
    line = TextLines().format(record("height %d", 7, request="abc"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO traco\.test height 7 \[abc\]", line)


def test_times_are_utc() -> None:
    made = record("x")
    made.created = 1_700_000_000.25
    assert TextLines().format(made).startswith("2023-11-14T22:13:20.250Z ")


def test_a_json_entry_is_one_object_with_the_context_of_its_request() -> None:
    token = REQUEST.set("from the context")
    try:
        entry = msgspec.json.decode(JsonLines().format(record("a\nb", fields={"status": 200})))
    finally:
        REQUEST.reset(token)
    assert {name: entry[name] for name in ("level", "logger", "message", "request", "status")} == {
        "level": "INFO", "logger": "traco.test", "message": "a\nb", "request": "from the context", "status": 200,
    }  # fmt: skip


def test_an_exception_is_kept_with_its_trace() -> None:
    try:
        raise LookupError("planted")
    except LookupError:
        made = record("failed", exc_info=sys.exc_info())
    assert "LookupError: planted" in TextLines().format(made)
    assert "LookupError: planted" in msgspec.json.decode(JsonLines().format(made))["trace"]


def test_what_is_logged_cannot_pass_for_an_entry_of_its_own_or_steer_a_terminal() -> None:
    text = TextLines().format(record("name\n2026-01-01T00:00:00.000Z ERROR traco forged\r\x1b[2J"))
    assert [line for line in text.splitlines() if line.startswith("20")] == [text.splitlines()[0]]
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize("offered", ["a", "Ab-1.2:3_"[:8], "0" * 64])
def test_a_well_formed_correlation_id_is_kept(offered: str) -> None:
    assert request_id(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "0" * 65, "a b", "a\n", "-a", "\u0661", "<script>"])
def test_any_other_correlation_id_is_replaced(offered: str | None) -> None:
    made = request_id(offered)
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert made != request_id(offered)


def test_a_process_logs_its_own_lines_from_the_level_and_those_of_libraries_from_warning(
    tmp_path: Path, root: logging.Logger
) -> None:
    log_to(tmp_path, LogConfig(level="info"))
    logging.getLogger("traco.some").info("ours")
    logging.getLogger("traco.some").debug("too fine")
    logging.getLogger("library").info("theirs")
    logging.getLogger("library").warning("warned")
    said = (tmp_path / LOG).read_text()
    assert [word for word in ("ours", "too fine", "theirs", "warned") if word in said] == ["ours", "warned"]
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600


def test_logging_again_replaces_the_log_before(tmp_path: Path, root: logging.Logger) -> None:
    log_to(tmp_path, LogConfig())
    log_to(tmp_path, LogConfig(format="json"))
    logging.getLogger("traco").warning("once")
    assert msgspec.json.decode((tmp_path / LOG).read_bytes())["message"] == "once"


def test_a_long_log_is_turned_over_and_the_oldest_are_dropped(tmp_path: Path) -> None:
    handler = NodeLog(tmp_path / LOG, 100, 2)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(6):
        handler.emit(record(f"{number}" * 100))
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG, f"{LOG}.1", f"{LOG}.2"]
    assert [(tmp_path / name).read_text()[0] for name in (LOG, f"{LOG}.1", f"{LOG}.2")] == ["5", "4", "3"]


def test_when_fewer_are_to_be_kept_the_others_go(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        (tmp_path / f"{LOG}.{number}").touch()
    handler = NodeLog(tmp_path / LOG, 10, 2)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for _ in range(2):
        handler.emit(record("x" * 10))
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG, f"{LOG}.1", f"{LOG}.2"]


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    handler = NodeLog(tmp_path / LOG, 1_000, 2)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.emit(record("first"))
    (tmp_path / LOG).rename(tmp_path / "taken")
    handler.emit(record("second"))
    handler.close()
    assert [(tmp_path / name).read_text() for name in ("taken", LOG)] == ["first\n", "second\n"]


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    handler = NodeLog(tmp_path / "folder" / LOG, 1_000, 2)
    (tmp_path / "folder" / LOG).unlink()
    (tmp_path / "folder").rmdir()
    handler.emit(record("nowhere to go"))
    handler.close()
    assert "No such file or directory" in capfd.readouterr().err


class Disk:
    """Stands before ``os.write`` for one file: takes so many bytes more, then says that it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1_000_000
        self._write = os.write
        monkeypatch.setattr("traco.node.logs.os.write", self.write)

    def write(self, descriptor: int, raw: bytes) -> int:
        taken = min(self.room, len(raw))
        if raw and not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= taken
        return self._write(descriptor, raw[:taken])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_full_disk_is_one_line_on_standard_error_however_much_there_is_to_say(
    tmp_path: Path, disk: Disk, capfd: pytest.CaptureFixture[str]
) -> None:
    write = engine_log(tmp_path, LogConfig())
    disk.room = 0
    for _ in range(100):
        write("E[2026-11-21] failed to write")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / ENGINE_LOG} takes no entries: No space left on device. ")


def test_when_there_is_space_again_the_log_says_what_it_lacks_and_standard_error_that_it_goes_on(
    tmp_path: Path, disk: Disk, capfd: pytest.CaptureFixture[str]
) -> None:
    write = engine_log(tmp_path, LogConfig())
    write("before")
    disk.room = 4
    for _ in range(3):
        write("lost in part, then all")
    capfd.readouterr()
    disk.room = 1_000
    write("after")
    write("and on")
    assert (tmp_path / ENGINE_LOG).read_text().splitlines() == [
        "before", "lost", "3 entries are missing here: No space left on device", "after", "and on",
    ]  # fmt: skip
    assert capfd.readouterr().err == f"{tmp_path / ENGINE_LOG} takes entries again; 3 are lost\n"


def test_space_for_the_note_alone_does_not_count_as_space(
    tmp_path: Path, disk: Disk, capfd: pytest.CaptureFixture[str]
) -> None:
    write = engine_log(tmp_path, LogConfig())
    for room in (0, 60, 60, 0):
        disk.room = room
        write("x" * 50)
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_an_entry_that_cannot_be_made_up_is_the_fault_of_a_program_and_keeps_its_trace(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = NodeLog(tmp_path / LOG, 1_000, 2)
    handler.setFormatter(TextLines())
    handler.emit(record("%d", "no number"))
    handler.close()
    assert "Traceback" in capfd.readouterr().err


def test_several_processes_lose_and_mix_no_line_while_the_log_is_turned_over(tmp_path: Path) -> None:
    context, count = multiprocessing.get_context("spawn"), 2_000
    names = ["ledger", "api", "projector"]
    writers = [context.Process(target=write_many, args=(str(tmp_path / LOG), name, count)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    files = list(tmp_path.iterdir())
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(
        f"{name} {number} " + "x" * 50 for name in names for number in range(count)
    )
    assert len(files) > 10

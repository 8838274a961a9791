"""Health tells the truth: each way of not being well has a code, and a silent ledger process is noticed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from traco.node import health as health_module
from traco.node.configuration import HealthConfig
from traco.node.figures import EngineFigures, Figures, Meter, Occupancy
from traco.node.health import (
    REASONS,
    WARNINGS,
    Seen,
    Watch,
    free_bytes,
    judge,
    lag,
    progress,
    readiness,
    used_bytes,
)
from traco.node.link import LedgerGone
from traco.storage.errors import MediumFailed

LIMITS = HealthConfig(stall_seconds=10, free_bytes=1_000, projections_lag_blocks=5)
AT_ONCE = msgspec.structs.replace(LIMITS, stall_seconds=0)


def occupancy(**changes: Any) -> Occupancy:
    empty = Occupancy(on_way=0, ready=0, ready_bytes=0, outbox=0, verifying=0, oldest_ms=0, is_full=False)
    return msgspec.structs.replace(empty, **changes)


def figures(alarms: int = 0, idle_ms: int = 0, **queue: Any) -> Figures:
    meter = Meter()
    for _ in range(alarms):
        meter.alarm("kernel.fault", bytes(32))
    return msgspec.structs.replace(meter.figures(100, 0, 7, 0, occupancy(**queue)), idle_ms=idle_ms)


def seen(**changes: Any) -> Seen:
    return Seen(figures=figures(), ledger="", readable=True, free_bytes=10_000, projected=100)._replace(
        **changes
    )


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (seen(), ()),
        (seen(figures=None, ledger="ledger.gone"), ("ledger.gone",)),
        (seen(figures=None, ledger="ledger.silent"), ("ledger.silent",)),
        (seen(figures=figures(oldest_ms=10_001, idle_ms=10_001)), ("ledger.stalled",)),
        (seen(figures=figures(oldest_ms=10_001, idle_ms=5)), ()),  # a long queue, but blocks are made
        (seen(figures=figures(oldest_ms=0, idle_ms=3_600_000)), ()),  # an idle node is well
        (seen(figures=figures(is_full=True)), ("outbox.full",)),
        (seen(readable=False), ("storage.unreadable",)),
        (seen(free_bytes=999), ("disk.low",)),
        (seen(figures=None, ledger="ledger.gone", readable=False, free_bytes=0), ("ledger.gone", "storage.unreadable", "disk.low")),
    ],
)  # fmt: skip
def test_a_node_is_not_ready_for_each_of_its_reasons(state: Seen, reasons: tuple[str, ...]) -> None:
    health = judge(state, LIMITS)
    assert health.reasons == reasons
    assert health.is_ready == (not reasons)
    assert set(reasons) <= REASONS.keys()


def cluster(idle_ms: int = 0, **changes: Any) -> Seen:
    """A node of four validators at height 100, all of them connected."""
    well = EngineFigures(
        is_running=True, failure="", starts=1, silent_ms=10, height=100, is_catching_up=False, peers_wanted=3, peers_present=3,
        power=4, power_reached=4, empty_block_ms=3_000, offered_again=0, settings_differ=False,
        snapshot_problem="",
    )  # fmt: skip
    return seen(
        figures=msgspec.structs.replace(
            figures(idle_ms=idle_ms), engine=msgspec.structs.replace(well, **changes)
        )
    )


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (cluster(), ()),
        (cluster(failure="engine.diverged: ...", silent_ms=60_000, power_reached=1), ("engine.failed",)),
        (cluster(silent_ms=5_001, power_reached=1), ("engine.down",)),
        (cluster(is_running=False), ()),  # it is being started again
        (cluster(is_catching_up=True, power_reached=1), ("engine.behind",)),
        (cluster(height=104), ("engine.behind",)),
        (cluster(height=103), ()),
        (cluster(power_reached=3), ()),
        (cluster(power_reached=2), ("engine.no_peers",)),
        (cluster(power=3, power_reached=2), ("engine.no_peers",)),  # two thirds are not enough
        (cluster(idle_ms=13_000), ()),
        (cluster(idle_ms=13_001), ("engine.stalled",)),  # well by its own word, but it makes no blocks
    ],
)
def test_a_node_of_a_cluster_is_judged_by_its_engine_too(state: Seen, reasons: tuple[str, ...]) -> None:
    health = judge(state, LIMITS)
    assert health.reasons == reasons
    assert set(reasons) <= REASONS.keys()


def test_a_node_out_of_reach_is_a_warning_as_long_as_the_others_are_enough() -> None:
    health = judge(cluster(peers_present=2, power_reached=3), LIMITS)
    assert (health.reasons, health.warnings) == ((), ("engine.peers_missing",))
    assert set(health.warnings) <= WARNINGS.keys()


@pytest.mark.parametrize(
    ("state", "warning"),
    [
        (cluster(settings_differ=True), "engine.settings_differ"),
        (cluster(snapshot_problem="no snapshot was taken: the disk is full"), "snapshots.failing"),
    ],
)
def test_what_people_must_see_to_on_a_node_of_a_cluster_is_a_warning(state: Seen, warning: str) -> None:
    health = judge(state, LIMITS)
    assert (health.reasons, health.warnings) == ((), (warning,))
    assert warning in WARNINGS


def test_progress_shows_the_engine_of_a_cluster(tmp_path: Path) -> None:
    state = cluster(peers_present=2)
    shown = progress(state, judge(state, LIMITS), tmp_path, 0)
    assert shown["ledger"]["engine"]["peers_present"] == 2
    assert progress(seen(), judge(seen(), LIMITS), tmp_path, 0)["ledger"]["engine"] is None


@pytest.mark.parametrize(
    ("state", "warnings"),
    [
        (seen(projected=95), ()),
        (seen(projected=94), ("projections.behind",)),
        (seen(projected=-1), ("projections.unknown",)),
        (seen(projected=None), ()),
        (seen(figures=figures(alarms=1)), ("ledger.alarm",)),
        (seen(figures=msgspec.structs.replace(figures(), stops_at=120)), ("protocol.missing",)),
    ],
)
def test_a_warning_does_not_stop_a_node(state: Seen, warnings: tuple[str, ...]) -> None:
    health = judge(state, LIMITS)
    assert (health.warnings, health.is_ready) == (warnings, True)
    assert set(warnings) <= WARNINGS.keys()


def test_projections_that_do_not_catch_up_on_an_idle_ledger_are_reported_however_few_blocks_are_missing() -> (
    None
):
    stuck = seen(figures=figures(idle_ms=120_000), projected=99)
    assert judge(stuck, LIMITS).warnings == ("projections.behind",)
    assert judge(stuck._replace(figures=figures(idle_ms=5)), LIMITS).warnings == ()


def test_a_database_of_projections_that_hangs_holds_one_thread_however_often_health_is_asked(
    tmp_path: Path,
) -> None:
    asked: list[int] = []
    ended = threading.Event()

    def hanging() -> int:
        asked.append(1)
        ended.wait(20)
        return 7

    async def look_often() -> list[int | None]:
        watch = Watch(tmp_path, AT_ONCE, gone, lambda: 1, hanging)
        found = [(await watch.look()).projected for _ in range(5)]
        ended.set()
        return found

    assert asyncio.run(look_often()) == [-1] * 5
    assert len(asked) == 1


@pytest.mark.parametrize(("projected", "blocks"), [(100, 0), (101, 0), (40, 60), (-1, 0), (None, 0)])
def test_the_lag_of_projections_is_in_blocks_and_never_negative(projected: int | None, blocks: int) -> None:
    assert lag(seen(projected=projected)) == blocks


def test_readiness_says_each_reason_with_what_to_do() -> None:
    answer = readiness(judge(seen(free_bytes=0, figures=figures(alarms=1)), LIMITS))
    assert answer == {
        "ready": False,
        "reasons": [{"code": "disk.low", "detail": REASONS["disk.low"]}],
        "warnings": [{"code": "ledger.alarm", "detail": WARNINGS["ledger.alarm"]}],
    }


def look(
    directory: Path, ask: Callable[[], Awaitable[Figures]], limits: HealthConfig = LIMITS,
    height: Callable[[], int] = lambda: 1, projected: Callable[[], int] | None = None,
) -> Seen:  # fmt: skip
    return asyncio.run(Watch(directory, limits, ask, height, projected).look())


async def well() -> Figures:
    return figures()


async def silent() -> Figures:
    await asyncio.Event().wait()
    raise AssertionError


async def gone() -> Figures:
    raise LedgerGone


def test_a_ledger_process_that_gives_no_answer_is_noticed(tmp_path: Path) -> None:
    assert look(tmp_path, silent, AT_ONCE).ledger == "ledger.silent"


def test_a_ledger_process_that_has_ended_is_noticed(tmp_path: Path) -> None:
    assert look(tmp_path, gone).ledger == "ledger.gone"


@pytest.mark.parametrize("error", [MediumFailed("ledger.db", "planted"), OSError("planted")])
def test_a_store_that_cannot_be_read_is_noticed(tmp_path: Path, error: Exception) -> None:
    def fail() -> int:
        raise error

    assert not look(tmp_path, well, height=fail).readable


def test_what_is_well_is_seen_so(tmp_path: Path) -> None:
    found = look(tmp_path, well, projected=lambda: 99)
    assert (found.ledger, found.readable, found.projected) == ("", True, 99)
    assert judge(found, LIMITS) == ((), ())


def test_free_space_is_the_disks_and_none_where_the_directory_is_gone(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
    assert free_bytes(tmp_path / "missing") == 0


def test_only_files_that_are_there_and_no_locks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "lock").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert used_bytes(tmp_path) == {"file": 3}


def test_progress_shows_heights_queues_ages_and_the_last_alarm(tmp_path: Path) -> None:
    state = seen(figures=figures(alarms=1, on_way=3, oldest_ms=40), projected=90)
    answer = progress(state, judge(state, LIMITS), tmp_path, streams=2)
    assert answer["ledger"]["height"] == 100
    assert answer["ledger"]["queue"]["on_way"] == 3
    assert answer["ledger"]["queue"]["oldest_ms"] == 40
    assert answer["ledger"]["last_alarm"]["kind"] == "kernel.fault"
    assert (answer["projections_lag_blocks"], answer["streams"], answer["ready"]) == (10, 2, True)


def test_progress_says_so_where_the_ledger_does_not_answer(tmp_path: Path) -> None:
    state = seen(figures=None, ledger="ledger.silent")
    assert progress(state, judge(state, LIMITS), tmp_path, 0)["ledger"] is None


def test_every_code_has_a_sentence_for_people() -> None:
    for text in (*health_module.REASONS.values(), *health_module.WARNINGS.values()):
        assert text.endswith(".")


def test_the_table_of_the_guide_has_every_code() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for codes, is_ready in ((REASONS, "no"), (WARNINGS, "yes")):
        for code, text in codes.items():
            assert f"| `{code}` | {is_ready} | {text} |\n" in guide

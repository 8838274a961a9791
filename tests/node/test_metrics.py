"""Metrics: every name that the table has and no other, in Prometheus' conventions; the alert rules know real names."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from traco.channels.seat.figures import MemberFigures, SeatFigures
from traco.node.channel_metrics import CHANNEL_METRICS
from traco.node.channels.requests import FiguresAre
from traco.node.configuration import HealthConfig
from traco.node.figures import BLOCK_BOUNDS, Alarmed, EngineFigures, Figures, Meter, Occupancy
from traco.node.health import WARNINGS, Health, Seen, judge
from traco.node.metrics import METRICS, NO_METHOD, ApiMeter, exposition

DOCS = Path(__file__).parents[2] / "docs"
EMPTY = Occupancy(on_way=3, ready=2, ready_bytes=100, outbox=1, verifying=0, oldest_ms=1_500, is_full=False)
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


ENGINE = EngineFigures(
    is_running=True, failure="", starts=2, silent_ms=1_500, height=13, is_catching_up=False, peers_wanted=3, peers_present=2,
    power=40, power_reached=30, empty_block_ms=3_000, offered_again=5, settings_differ=False, snapshot_problem="",
)  # fmt: skip


CHANNELS = FiguresAre(
    SeatFigures(
        read_height=9, root_height=12, statuses=(("open", 3),), problems=(), unexecuted=0, unconfirmed=0, unexecuted_ms=0,
        unconfirmed_ms=0, wanted=0, wanted_ms=0, reported=0, voided=0, outbox_waiting=0, outbox_executed=0, outbox_ms=0,
        offers=(), outdated=0, epoch_ms=0, custody_bytes=7, custody_waiting_bytes=0, custody_limit_bytes=9,
        members=(MemberFigures(bytes(16), (), False, 0, 0, 0),), channels=(),
    ),
    2_000,
)  # fmt: skip


def busy() -> Figures:
    meter = Meter(now_ms=lambda: 9_000)
    meter.refuse("transaction.malformed")
    meter.commit(0.004)
    meter.alarm("kernel.fault", bytes(32))
    figures = meter.figures(
        height=12, block_time_ms=8_500, state_keys=77, recovered=0, occupancy=EMPTY, engine=ENGINE
    )
    return msgspec.structs.replace(
        figures, blocks=12, outcomes=(("final", 5), ("rejected", 1), ("refused", 1)), rejected=(("holding.insufficient", 1),)
    )  # fmt: skip


def state(figures: Figures | None = None) -> tuple[Seen, Health]:
    seen = Seen(figures, "" if figures else "ledger.gone", True, 10**12, 10)
    return seen, judge(seen, HealthConfig(projections_lag_blocks=1))


def read(text: bytes) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def values(directory: Path, figures: Figures | None, meter: ApiMeter | None = None) -> Values:
    return read(exposition(meter or ApiMeter(), *state(figures), directory))


def test_the_ledgers_figures_are_shown_with_their_units(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"x" * 10)
    found = values(tmp_path, busy())
    assert {name: found[name, ()] for name in (
        "traco_ready", "traco_ledger_up", "traco_height", "traco_blocks_total", "traco_block_time_seconds",
        "traco_oldest_waiting_seconds", "traco_on_way_transactions", "traco_state_keys", "traco_projections_lag_blocks",
    )} == {
        "traco_ready": 1, "traco_ledger_up": 1, "traco_height": 12, "traco_blocks_total": 12, "traco_block_time_seconds": 8.5,
        "traco_oldest_waiting_seconds": 1.5, "traco_on_way_transactions": 3, "traco_state_keys": 77,
        "traco_projections_lag_blocks": 2,
    }  # fmt: skip
    assert found["traco_transactions_total", (("outcome", "final"),)] == 5
    assert found["traco_transactions_rejected_total", (("code", "holding.insufficient"),)] == 1
    assert found["traco_transactions_refused_total", (("code", "transaction.malformed"),)] == 1
    assert found["traco_alarms_total", (("kind", "kernel.fault"),)] == 1
    assert found["traco_file_bytes", (("file", "ledger.db"),)] == 10
    assert found["traco_memory_bytes", (("process", "api"),)] > 0


def test_the_engines_figures_are_shown_with_their_units(tmp_path: Path) -> None:
    found = values(tmp_path, busy())
    assert {name: value for (name, _), value in found.items() if name.startswith("traco_engine")} == {
        "traco_engine_up": 1, "traco_engine_height": 13, "traco_engine_catching_up": 0, "traco_engine_peers_wanted": 3,
        "traco_engine_peers_present": 2, "traco_engine_power": 40, "traco_engine_power_reached": 30,
        "traco_engine_silent_seconds": 1.5, "traco_engine_starts_total": 2, "traco_engine_offered_again_total": 5,
    }  # fmt: skip


def test_an_engine_that_cannot_go_on_is_not_up_though_it_runs(tmp_path: Path) -> None:
    failed = msgspec.structs.replace(ENGINE, failure="engine.diverged: ...")
    found = values(tmp_path, msgspec.structs.replace(busy(), engine=failed))
    assert found["traco_engine_up", ()] == 0


def test_a_node_that_orders_alone_has_no_engine_to_show(tmp_path: Path) -> None:
    found = values(tmp_path, msgspec.structs.replace(busy(), engine=None))
    assert [name for name, _ in found if name.startswith("traco_engine")] == []


def test_a_histogram_is_cumulated_up_to_infinity(tmp_path: Path) -> None:
    found = values(tmp_path, busy())
    assert found["traco_commit_seconds_bucket", (("le", "0.0025"),)] == 0
    assert found["traco_commit_seconds_bucket", (("le", "0.005"),)] == 1
    assert found["traco_commit_seconds_bucket", (("le", "+Inf"),)] == 1
    assert found["traco_commit_seconds_sum", ()] == 0.004
    assert len([name for name, _ in found if name == "traco_block_seconds_bucket"]) == len(BLOCK_BOUNDS) + 1


def test_without_the_ledger_process_its_figures_are_absent_and_the_node_is_not_ready(tmp_path: Path) -> None:
    found = values(tmp_path, None)
    assert (found["traco_ready", ()], found["traco_ledger_up", ()]) == (0, 0)
    assert found["traco_not_ready_reason", (("code", "ledger.gone"),)] == 1
    assert ("traco_height", ()) not in found


def test_requests_are_counted_by_route_method_and_status(tmp_path: Path) -> None:
    meter = ApiMeter()
    for status in (200, 200, 429):
        meter.begin()
        meter.end("GET", "/v1/status", status, 0.002, False)
    meter.begin()
    found = values(tmp_path, None, meter)
    labels = (("method", "GET"), ("route", "/v1/status"))
    assert found["traco_api_requests_total", (*labels, ("status", "200"))] == 2
    assert found["traco_api_request_seconds_count", labels] == 3
    assert found["traco_api_rate_limited_total", ()] == 1
    assert found["traco_api_requests_in_progress", ()] == 1


def test_a_stream_is_counted_while_it_is_open_and_is_no_duration(tmp_path: Path) -> None:
    meter = ApiMeter()
    meter.begin()
    meter.begin_stream()
    assert values(tmp_path, None, meter)["traco_api_streams", ()] == 1
    meter.end("GET", "/v1/events", 200, 3_600, True)
    found = values(tmp_path, None, meter)
    assert found["traco_api_streams", ()] == 0
    assert not [name for name, _ in found if name == "traco_api_request_seconds_count"]


def test_the_end_of_the_certificate_is_shown(tmp_path: Path) -> None:
    assert values(tmp_path, None, ApiMeter(5.0))["traco_certificate_end_time_seconds", ()] == 5.0
    assert values(tmp_path, None)["traco_certificate_end_time_seconds", ()] == 0


def test_a_method_of_the_callers_own_makes_no_series_of_its_own(tmp_path: Path) -> None:
    meter = ApiMeter()
    meter.begin()
    meter.end("FORGED", "/v1/status", 405, 0.1, False)
    found = values(tmp_path, None, meter)
    assert {dict(labels)["method"] for name, labels in found if name == "traco_api_requests_total"} == {
        NO_METHOD
    }


def test_what_is_shown_is_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    meter = ApiMeter()
    meter.begin()
    meter.end("GET", "/v1/status", 200, 0.002, False)
    seen, health = state(busy())
    text = exposition(meter, seen._replace(channels=CHANNELS), health, tmp_path).decode()
    shown = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert {name: kind for name, kind in shown if not name.endswith("_created")} == {
        name: described.kind for name, described in METRICS.items()
    }


def test_names_follow_the_conventions() -> None:
    for name, described in METRICS.items():
        assert re.fullmatch("traco_[a-z_]+", name)
        assert name.endswith("_total") == (described.kind == "counter")
        if described.kind == "histogram":
            assert name.endswith("_seconds")


def test_no_label_names_a_party_or_a_transaction_but_for_channels_and_their_members() -> None:
    assert {label for described in METRICS.values() for label in described.labels} == {
        "code", "outcome", "kind", "file", "process", "method", "route", "status", "channel", "stage", "member",
    }  # fmt: skip


def test_members_and_channels_are_named_only_by_what_the_channels_process_shows() -> None:
    named = {name for name, described in METRICS.items() if {"channel", "member"} & set(described.labels)}
    assert named <= CHANNEL_METRICS.keys()


def test_the_channels_process_has_its_place_beside_the_others(tmp_path: Path) -> None:
    seen, health = state(busy())
    found = read(exposition(ApiMeter(), seen._replace(channels=CHANNELS), health, tmp_path))
    assert (found["traco_channels_up", ()], found["traco_custody_bytes", ()]) == (1, 7)
    assert found["traco_memory_bytes", (("process", "channels"),)] == 2_000
    away = read(exposition(ApiMeter(), seen._replace(channels_away=True), health, tmp_path))
    assert away["traco_channels_up", ()] == 0
    assert [
        name for name, _ in read(exposition(ApiMeter(), seen, health, tmp_path)) if "channels" in name
    ] == []


def test_the_table_of_the_guide_is_made_from_the_list() -> None:
    rows = [
        f"| `{name}` | {described.kind} | {', '.join(described.labels) or '-'} | {described.text} |"
        for name, described in METRICS.items()
    ]
    guide = (DOCS / "operating.md").read_text()
    assert re.findall(r"^\| `traco_[a-z_]+` \|.*$", guide, re.MULTILINE) == rows


def test_every_alert_rule_uses_metrics_that_exist() -> None:
    rules = (DOCS / "operations" / "alerts.yml").read_text()
    expressions = re.findall(r"^ +expr: (.*)$", rules, re.MULTILINE)
    used = {name for expression in expressions for name in re.findall(r"traco_[a-z_]+", expression)}
    histograms = {f"{name}_bucket" for name, described in METRICS.items() if described.kind == "histogram"}
    assert len(expressions) >= 8
    assert used <= METRICS.keys() | histograms


@pytest.mark.parametrize(
    ("alert", "metric", "labels"),
    [("TracoAlarm", "traco_alarms_total", (("kind", "kernel.fault"),)), ("TracoNotReady", "traco_ready", ())],
)
def test_an_alarm_rings(tmp_path: Path, alert: str, metric: str, labels: tuple[tuple[str, str], ...]) -> None:
    """The rule's expression, evaluated on what a node shows before and after: silent, then ringing."""
    rules = (DOCS / "operations" / "alerts.yml").read_text()
    found = re.search(rf"alert: {alert}\n +expr: {metric} (>|==) 0$", rules, re.MULTILINE)
    assert found is not None
    quiet = msgspec.structs.replace(busy(), alarms=(), last_alarm=None)
    before, after = values(tmp_path, quiet), values(tmp_path, busy())
    if metric == "traco_ready":
        after = values(tmp_path, None)
    rings = [v.get((metric, labels)) for v in (before, after)]
    if found[1] == ">":
        assert [value is not None and value > 0 for value in rings] == [False, True]
    else:
        assert [value == 0 for value in rings] == [False, True]


def test_every_warning_that_an_alert_rule_names_exists() -> None:
    rules = (DOCS / "operations" / "alerts.yml").read_text()
    named = re.findall(r'traco_warning\{code="([a-z_.]+)"\}', rules)
    assert sorted(named) == ["engine.settings_differ", "protocol.missing", "snapshots.failing"]
    assert set(named) <= WARNINGS.keys()


def test_an_alarm_of_the_kernel_is_one_in_the_figures() -> None:
    assert busy().last_alarm == Alarmed("kernel.fault", bytes(32).hex(), 9_000)

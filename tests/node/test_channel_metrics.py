"""Metrics of channels: bounded, named by ids alone; and every alert rule on them rings, tried on what a node shows before and after."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from traco.channels.custody.tally import OUTCOMES
from traco.channels.seat.figures import SHOWN, ChannelFigures, MemberFigures, SeatFigures
from traco.node.channel_metrics import CHANNEL_METRICS, of_channels

RULES: Final = Path(__file__).parents[2] / "docs" / "operations" / "alerts.yml"
CHANNEL, MEMBER = b"\x07" * 32, b"\x09" * 16
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]

QUIET: Final = SeatFigures(
    read_height=10, root_height=10, statuses=(("open", 3),), problems=(), unexecuted=0, unconfirmed=0, unexecuted_ms=0,
    unconfirmed_ms=0, wanted=0, wanted_ms=0, reported=0, voided=0, outbox_waiting=0, outbox_executed=0, outbox_ms=0, offers=(),
    outdated=0, epoch_ms=86_400_000, custody_bytes=100, custody_waiting_bytes=0, custody_limit_bytes=1_000,
    members=(MemberFigures(MEMBER, (("answered", 5),), False, 0, 0, 0),), channels=(),
)  # fmt: skip
STUCK: Final = ChannelFigures(CHANNEL, "open", "channel.key_missing", 9, 7, 6, 61_000, 62_000, False)


def figures(**changes: Any) -> SeatFigures:
    return replace(QUIET, **changes)


def member(**changes: Any) -> SeatFigures:
    return figures(members=(replace(QUIET.members[0], **changes),))


class Collected(Collector):
    """The metrics of channels alone."""

    def __init__(self, shown: SeatFigures | None) -> None:
        self._shown = shown

    def collect(self) -> list[Metric]:
        return list(of_channels(self._shown))


def values(shown: SeatFigures | None) -> Values:
    registry = CollectorRegistry()
    registry.register(Collected(shown))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_a_channel_that_is_held_up_is_shown_by_its_id_with_its_code_and_ages() -> None:
    found, name = values(figures(channels=(STUCK,))), CHANNEL.hex()
    assert {key: value for key, value in found.items() if dict(key[1]).get("channel") == name} == {
        ("traco_channel_point", (("channel", name), ("stage", "noted"))): 9,
        ("traco_channel_point", (("channel", name), ("stage", "executed"))): 7,
        ("traco_channel_point", (("channel", name), ("stage", "confirmed"))): 6,
        ("traco_channel_behind_seconds", (("channel", name), ("stage", "unexecuted"))): 61,
        ("traco_channel_behind_seconds", (("channel", name), ("stage", "unconfirmed"))): 62,
        ("traco_channel_problem", (("channel", name), ("code", "channel.key_missing"))): 1,
    }


def test_a_member_is_shown_with_every_outcome_so_that_each_is_seen_to_grow() -> None:
    found, name = values(figures()), MEMBER.hex()
    asked = {
        outcome: found["traco_member_asked_total", (("member", name), ("outcome", outcome))]
        for outcome in OUTCOMES
    }
    assert asked == {"answered": 5, "refused": 0, "silent": 0, "wrong": 0}
    assert found["traco_member_dissents_total", (("member", name),)] == 0
    assert found["traco_member_lost_payloads_total", (("member", name),)] == 0


def test_where_the_process_does_not_answer_only_that_is_shown() -> None:
    assert values(None) == {("traco_channels_up", ()): 0}


def test_what_is_shown_is_what_is_listed() -> None:
    shown = figures(problems=(("channel.disputed", 1),), offers=(("ready", 1),), channels=(STUCK,))
    assert {name for name, _ in values(shown)} == CHANNEL_METRICS.keys()


def test_a_thousand_channels_in_trouble_make_few_series() -> None:
    shown = tuple(replace(STUCK, channel=number.to_bytes(32, "big")) for number in range(SHOWN))
    found = values(
        figures(statuses=(("open", 1_000),), problems=(("channel.key_missing", 1_000),), channels=shown)
    )
    assert len(found) < 200


# alert rules


class Rule(NamedTuple):
    """An alert rule as it stands in the file."""

    expression: str
    severity: str
    summary: str
    advice: str


RULE: Final = re.compile(
    r"""- alert: (\w+)
 +expr: (.*)
(?: +for: \d+[mhd]
)? +labels: \{ severity: (\w+) \}
 +annotations:
 +summary: "(.*)"
 +do: "(.*)"
"""
)


def rules() -> dict[str, Rule]:
    """Those of channels, by name."""
    _, text = RULES.read_text().split("- name: traco-channels\n")
    found = {name: Rule(*parts) for name, *parts in RULE.findall(text)}
    assert len(found) == text.count("- alert:")
    return found


SAMPLE: Final = r"(traco_[a-z_]+)(?:\{([a-z_]+)=\"([a-z_.]+)\"\})?"
GAUGE: Final = re.compile(rf"{SAMPLE} (==|>) (?:([0-9.]+) \* )?(?:(traco_[a-z_]+)|([0-9.]+))")
COUNTER: Final = re.compile(rf"increase\({SAMPLE}\[1h\]\) > 0")


def rings(expression: str, before: Values, after: Values) -> bool:
    """What Prometheus makes of a rule, for the two forms that these rules have."""
    growing = COUNTER.fullmatch(expression)
    if growing is not None:
        series = chosen(before, growing)
        # a counter that was not there before has not increased
        return any(value > series[key] for key, value in chosen(after, growing).items() if key in series)
    found = GAUGE.fullmatch(expression)
    assert found is not None, expression
    limit = after[found[6], ()] if found[6] else float(found[7])
    limit *= float(found[5] or 1)
    return any(
        value == limit if found[4] == "==" else value > limit for value in chosen(after, found).values()
    )


def chosen(shown: Values, found: re.Match[str]) -> Values:
    return {
        (name, labels): value
        for (name, labels), value in shown.items()
        if name == found[1] and (found[2] is None or (found[2], found[3]) in labels)
    }


@pytest.mark.parametrize(
    ("alert", "trouble"),
    [
        ("TracoChannelsDown", None),
        ("TracoChannelsBehind", figures(root_height=1_011)),
        ("TracoChannelStuck", figures(unexecuted=1, unexecuted_ms=61_000)),
        ("TracoChannelProblem", figures(channels=(STUCK,))),
        ("TracoChannelProblem", figures(channels=(replace(STUCK, code="channel.snapshot_needed"),))),
        ("TracoChannelUnconfirmed", figures(unconfirmed=1, unconfirmed_ms=61_000)),
        ("TracoPayloadMissing", figures(reported=1)),
        ("TracoPayloadLost", member(lost=1)),
        ("TracoMemberDissents", member(dissents=1)),
        ("TracoChannelDisputed", figures(problems=(("channel.disputed", 1),))),
        ("TracoChannelSuspended", figures(statuses=(("open", 2), ("suspended", 1)))),
        ("TracoMemberSilent", member(is_silent=True, silent_ms=61_000)),
        ("TracoMemberWrong", member(asked=(("answered", 5), ("wrong", 1)))),
        ("TracoChannelOutbox", figures(outbox_waiting=1, outbox_ms=61_000)),
        ("TracoChannelOfferWrong", figures(offers=(("wrong", 1),))),
        ("TracoChannelKeyOutdated", figures(outdated=1)),
        ("TracoCustodyNearlyFull", figures(custody_bytes=901)),
    ],
)  # fmt: skip
def test_an_alarm_rings_in_its_trouble_and_in_no_other(alert: str, trouble: SeatFigures | None) -> None:
    before, after = values(QUIET), values(trouble)
    expression = rules()[alert].expression
    assert not rings(expression, before, before)
    assert rings(expression, before, after)
    ringing = [
        name
        for name, rule in rules().items()
        if trouble is not None and rings(rule.expression, before, after)
    ]
    assert ringing == [alert] * (trouble is not None)


def test_every_rule_says_what_to_do_and_uses_labels_that_exist() -> None:
    for rule in rules().values():
        assert rule.advice
        assert rule.severity in ("page", "ticket")
        (metric,) = set(re.findall(r"traco_[a-z_]+", rule.expression)) & CHANNEL_METRICS.keys() - {
            "traco_custody_limit_bytes"
        }
        named = set(re.findall(r"\$labels\.([a-z]+)", rule.summary))
        assert named <= set(CHANNEL_METRICS[metric].labels)


def test_every_rule_is_tried() -> None:
    source = Path(__file__).read_text()
    assert [alert for alert in rules() if f'("{alert}", ' not in source] == []

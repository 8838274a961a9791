"""Figures of channels for Prometheus. Whoever reads them runs the node that hosts their members: they name channels and members
by their ids, and nothing of what is in a channel. However many channels there are, only the worst are shown one by one.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import Metric

from traco.channels.custody.tally import OUTCOMES
from traco.channels.seat.figures import ChannelFigures, MemberFigures, SeatFigures
from traco.node.families import Described, Row, family

_BY_CHANNEL: Final = ("channel", "stage")
CHANNEL_METRICS: Final = {
    "traco_channels_up": Described("gauge", "1 if the channels' process answers, else 0"),
    "traco_channels": Described("gauge", "channels of this node's members by status", ("status",)),
    "traco_channels_problems": Described(
        "gauge", "channels that something holds up here, by its code", ("code",)
    ),
    "traco_channels_blocks_behind": Described(
        "gauge", "blocks of the ledger that are not read for channels yet"
    ),
    "traco_channels_unexecuted_points": Described("gauge", "points of channels that are not executed here"),
    "traco_channels_unexecuted_seconds": Described("gauge", "age of the oldest of these"),
    "traco_channels_unconfirmed_points": Described("gauge", "points executed here that are not confirmed"),
    "traco_channels_unconfirmed_seconds": Described("gauge", "age of the oldest of these"),
    "traco_channels_wanted_payloads": Described("gauge", "payloads that are needed now and are not here"),
    "traco_channels_wanted_seconds": Described("gauge", "since when the oldest of these is wanted"),
    "traco_channels_missing_payloads": Described(
        "gauge", "payloads of these channels reported missing on the ledger, and not answered"
    ),
    "traco_channels_void_entries": Described(
        "gauge", "entries that are void because nobody could show their payload"
    ),
    "traco_channels_outbox_transactions": Described(
        "gauge", "transactions of channels that this node answers for: waiting, executed", ("stage",)
    ),
    "traco_channels_outbox_seconds": Described(
        "gauge", "since when the oldest waiting one has been seen waiting"
    ),
    "traco_channels_offers": Described(
        "gauge", "epochs on offer to this node's members: ready, waiting, wrong", ("status",)
    ),
    "traco_channels_outdated_keys": Described(
        "gauge", "epochs whose key was wrapped for a seat that a member has no more"
    ),
    "traco_channels_oldest_epoch_seconds": Described("gauge", "age of the oldest epoch in force"),
    "traco_channel_point": Described(
        "gauge", "of the worst channels: last point noted, executed, confirmed", _BY_CHANNEL
    ),
    "traco_channel_behind_seconds": Described(
        "gauge", "of the worst channels: age of the oldest point unexecuted, unconfirmed", _BY_CHANNEL
    ),
    "traco_channel_problem": Described(
        "gauge", "1 for a channel that something holds up, with its code", ("channel", "code")
    ),
    "traco_custody_bytes": Described("gauge", "payloads of channels that are held here"),
    "traco_custody_waiting_bytes": Described("gauge", "those of them that are not ordered yet"),
    "traco_custody_limit_bytes": Described("gauge", "with so many, no new ones are taken from others"),
    "traco_member_asked_total": Described(
        "counter",
        "questions about payloads to a member: answered, refused, silent, wrong",
        ("member", "outcome"),
    ),
    "traco_member_silent": Described(
        "gauge", "1 if it left the last of these without an answer", ("member",)
    ),
    "traco_member_silent_seconds": Described(
        "gauge", "from the first to the last of these in a row without an answer", ("member",)
    ),
    "traco_member_dissents_total": Described(
        "counter", "points in which a member attested another digest", ("member",)
    ),
    "traco_member_lost_payloads_total": Described(
        "counter", "payloads that a member had signed for and nobody could show", ("member",)
    ),
}
"""Every metric of a node that does channel business, by its name; those of members count since the channels' process started."""


def of_channels(figures: SeatFigures | None) -> Iterator[Metric]:
    """The metrics; with None, where the process does not answer, only that it does not."""
    yield _one("traco_channels_up", figures is not None)
    if figures is not None:
        yield from _of_all(figures)
        yield from _of_each(figures.channels)
        yield from _of_members(figures.members)


def _of_all(figures: SeatFigures) -> Iterator[Metric]:
    yield _named("traco_channels", figures.statuses)
    yield _named("traco_channels_problems", figures.problems)
    yield _one("traco_channels_blocks_behind", figures.root_height - figures.read_height)
    yield _one("traco_channels_unexecuted_points", figures.unexecuted)
    yield _one("traco_channels_unexecuted_seconds", figures.unexecuted_ms / 1000)
    yield _one("traco_channels_unconfirmed_points", figures.unconfirmed)
    yield _one("traco_channels_unconfirmed_seconds", figures.unconfirmed_ms / 1000)
    yield _one("traco_channels_wanted_payloads", figures.wanted)
    yield _one("traco_channels_wanted_seconds", figures.wanted_ms / 1000)
    yield _one("traco_channels_missing_payloads", figures.reported)
    yield _one("traco_channels_void_entries", figures.voided)
    stages = (("waiting", figures.outbox_waiting), ("executed", figures.outbox_executed))
    yield _named("traco_channels_outbox_transactions", stages)
    yield _one("traco_channels_outbox_seconds", figures.outbox_ms / 1000)
    yield _named("traco_channels_offers", figures.offers)
    yield _one("traco_channels_outdated_keys", figures.outdated)
    yield _one("traco_channels_oldest_epoch_seconds", figures.epoch_ms / 1000)
    yield _one("traco_custody_bytes", figures.custody_bytes)
    yield _one("traco_custody_waiting_bytes", figures.custody_waiting_bytes)
    yield _one("traco_custody_limit_bytes", figures.custody_limit_bytes)


def _of_each(channels: tuple[ChannelFigures, ...]) -> Iterator[Metric]:
    points, ages, problems = list[Row](), list[Row](), list[Row]()
    for each in channels:
        name = each.channel.hex()
        points += [((name, stage), getattr(each, stage)) for stage in ("noted", "executed", "confirmed")]
        ages += [
            ((name, "unexecuted"), each.unexecuted_ms / 1000), ((name, "unconfirmed"), each.unconfirmed_ms / 1000),
        ]  # fmt: skip
        problems += [((name, code), 1) for code in each.codes()]
    for metric, rows in (
        ("traco_channel_point", points), ("traco_channel_behind_seconds", ages), ("traco_channel_problem", problems),
    ):  # fmt: skip
        yield family(metric, CHANNEL_METRICS[metric], rows)


def _of_members(members: tuple[MemberFigures, ...]) -> Iterator[Metric]:
    asked = [
        ((each.member.hex(), outcome), dict(each.asked).get(outcome, 0))
        for each in members
        for outcome in OUTCOMES
    ]
    yield family("traco_member_asked_total", CHANNEL_METRICS["traco_member_asked_total"], asked)
    for name, values in (
        ("traco_member_silent", [each.is_silent for each in members]),
        ("traco_member_silent_seconds", [each.silent_ms / 1000 for each in members]),
        ("traco_member_dissents_total", [each.dissents for each in members]),
        ("traco_member_lost_payloads_total", [each.lost for each in members]),
    ):
        rows = [((each.member.hex(),), value) for each, value in zip(members, values, strict=True)]
        yield family(name, CHANNEL_METRICS[name], rows)


def _one(name: str, value: float) -> Metric:
    return family(name, CHANNEL_METRICS[name], [((), value)])


def _named(name: str, values: tuple[tuple[str, int], ...]) -> Metric:
    return family(name, CHANNEL_METRICS[name], [((label,), value) for label, value in values])

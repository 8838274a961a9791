"""How a metric is described, and how values become a family of it for Prometheus."""

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Row = tuple[tuple[str, ...], float]
"""The values of the labels, in the order of the description, and the metric's value."""


class Described(NamedTuple):
    """A metric: its kind, what it counts, and by which labels."""

    kind: str
    text: str
    labels: tuple[str, ...] = ()


def family(name: str, described: Described, rows: Iterable[Row]) -> Metric:
    """A gauge or counter with its values."""
    made: CounterMetricFamily | GaugeMetricFamily
    if described.kind == "counter":
        made = CounterMetricFamily(name, described.text, labels=described.labels)
    else:
        made = GaugeMetricFamily(name, described.text, labels=described.labels)
    for labels, value in rows:
        made.add_metric(list(labels), float(value))
    return made

"""Executing a channel: its stream and the content of its payloads become states, outcomes and results of legs."""

from traco.channels.executing.composition import Compositions
from traco.channels.executing.entries_run import LegOutcome
from traco.channels.executing.errors import (
    BeyondHorizon,
    CompositionUnknown,
    ContentMissing,
    ExecutingError,
    GenerationStale,
    RootBehind,
    StreamWrong,
)
from traco.channels.executing.points import Content, Cursor, Nothing, Point, point_of
from traco.channels.executing.registry_view import RegistryView, RootState
from traco.channels.executing.replica import ChannelReplica, ExecutedPoint, executed_of

__all__ = [
    "BeyondHorizon", "ChannelReplica", "CompositionUnknown", "Compositions", "Content", "ContentMissing", "Cursor",
    "ExecutedPoint", "ExecutingError", "GenerationStale", "LegOutcome", "Nothing", "Point", "RegistryView", "RootBehind",
    "RootState", "StreamWrong", "executed_of", "point_of",
]  # fmt: skip

"""Why a channel cannot be executed further here. None of it is an outcome: nothing was executed, and nothing is lost.

LedgerError
└── ExecutingError
    ├── StreamWrong          what came is not the next part of the channel's stream
    ├── ContentMissing       an entry's content is neither there nor known to be nothing
    ├── GenerationStale      an entry is voided that was executed with its content
    ├── RootBehind           the root's state here is older than the one that the point reads
    ├── BeyondHorizon        ... or so new that what the point reads is not kept any more
    ├── CompositionUnknown   the channel runs modules that this release does not have
    └── NotHeldHere          an alarm: a decision finds no leg, so this replica differs from those that attested it
"""

from traco.kernel.errors import LedgerError


class ExecutingError(LedgerError):
    """Base of what keeps a channel from being executed. ``code`` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class StreamWrong(ExecutingError):
    """``executing.stream``: a number, a context or a hash does not follow what was executed."""

    def __init__(self, channel: bytes, text: str) -> None:
        super().__init__(
            "executing.stream",
            f"The stream of channel {channel.hex()} is wrong: {text}. Take it from the root's blocks again.",
        )
        self.channel = channel


class ContentMissing(ExecutingError):
    """``executing.content``: fetch the payload of the entry first."""

    def __init__(self, channel: bytes, number: int) -> None:
        super().__init__(
            "executing.content",
            f"Entry {number} of channel {channel.hex()} has a payload that was not given. Fetch and open it first.",
        )
        self.number = number


class GenerationStale(ExecutingError):
    """``executing.generation``: go back to the last confirmed point."""

    def __init__(self, channel: bytes, number: int) -> None:
        super().__init__(
            "executing.generation",
            f"Entry {number} of channel {channel.hex()} is void, but was executed here with its content. "
            "Execute again from the last confirmed point, without it.",
        )
        self.number = number


class RootBehind(ExecutingError):
    """``executing.root_behind``: wait for the root."""

    def __init__(self, height: int, needed: int) -> None:
        super().__init__(
            "executing.root_behind",
            f"The root's state here is of block {height}; the point reads it as of block {needed}. "
            "Execute it when the root has come so far.",
        )
        self.height, self.needed = height, needed


class BeyondHorizon(ExecutingError):
    """``executing.beyond_horizon``: replaced records that the point reads may be gone."""

    def __init__(self, height: int, needed: int, horizon: int) -> None:
        super().__init__(
            "executing.beyond_horizon",
            f"The root at block {height} keeps replaced records for {horizon} blocks; the point reads those of block {needed}. "
            "Take a member's snapshot of the channel instead.",
        )
        self.height, self.needed, self.horizon = height, needed, horizon


class CompositionUnknown(ExecutingError):
    """``executing.modules``: install a release that has them."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        super().__init__(
            "executing.modules",
            f"This release cannot run the modules {', '.join(modules)} together in a channel. Install one that can.",
        )
        self.modules = modules


class NotHeldHere(ExecutingError):
    """``executing.not_held``: what was attested as held is not held here."""

    def __init__(self, channel: bytes, attempt: bytes, code: str) -> None:
        super().__init__(
            "executing.not_held",
            f"The decision of attempt {attempt.hex()} could not be applied in channel {channel.hex()} ({code}). "
            "Compare this replica with another member's.",
        )
        self.attempt = attempt

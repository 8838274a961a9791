"""The clock of a node's processes."""

import time


def wall_clock_ms() -> int:
    """The machine's clock in ms, UTC."""
    return time.time_ns() // 1_000_000

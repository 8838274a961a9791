"""Times as people give them, and as they read them. Always UTC where nothing else is said."""

from datetime import UTC, datetime, timedelta

from traco.cli.problems import unusable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_ms(text: str) -> int:
    """A time such as 2026-11-02T15:00Z in ms, to the second. Raises ``CommandProblem`` (``time.unusable``)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise unusable("time.unusable", f"{text!r} is not a time such as 2026-11-02T15:00Z.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000


def readable_time(time_ms: int) -> str:
    """A time for people, to the second."""
    try:
        return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{time_ms} ms"

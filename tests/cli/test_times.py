import pytest

from traco.cli.problems import CommandProblem
from traco.cli.times import moment_ms, readable_time
from traco.kernel.codec import MAX_TIME_MS


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000), ("1970-01-01T01:00+01:00", 0), ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01.9Z", 1_000),
    ],
)  # fmt: skip
def test_a_time_is_read_in_utc_to_the_second(text: str, time_ms: int) -> None:
    assert moment_ms(text) == time_ms


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CommandProblem) as caught:
        moment_ms(text)
    assert caught.value.problem.code == "time.unusable"


def test_a_time_reads_as_people_write_it() -> None:
    assert readable_time(1_000) == "1970-01-01 00:00:01 UTC"
    assert readable_time(MAX_TIME_MS) == f"{MAX_TIME_MS} ms"

import pytest

from traco.demo.channel_audit import month_of


@pytest.mark.parametrize(
    ("time_ms", "days"),
    [
        (1_709_251_199_999, ("2024-02-01", "2024-02-29")),
        (1_709_251_200_000, ("2024-03-01", "2024-03-31")),
        (0, ("1970-01-01", "1970-01-31")),
    ],
)
def test_a_moment_is_in_the_month_that_it_has_in_utc(time_ms: int, days: tuple[str, str]) -> None:
    assert month_of(time_ms) == days

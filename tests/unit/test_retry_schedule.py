"""When a payment is tried again, and that it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retry_schedule import LONGEST, MOST_RETRIES, NO_RETRIES, SHORTEST, RetrySchedule

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DELAYS = st.lists(st.timedeltas(SHORTEST, LONGEST), max_size=MOST_RETRIES).map(tuple)


def test_default_waits_an_hour_six_a_day_and_three_days() -> None:
    schedule = RetrySchedule()
    waits = [schedule.next_after(NOW, retries) for retries in range(5)]
    assert waits == [*(NOW + timedelta(hours=hours) for hours in (1, 6, 24, 72)), None]


def test_without_delays_nothing_is_retried() -> None:
    assert NO_RETRIES.next_after(NOW, 0) is None


@given(DELAYS, st.integers(0, 2 * MOST_RETRIES))
def test_a_retry_is_later_than_its_decline_and_there_are_as_many_as_delays(
    delays: tuple[timedelta, ...], retries: int
) -> None:
    at = RetrySchedule(delays).next_after(NOW, retries)
    assert (at is None) == (retries >= len(delays))
    assert at is None or NOW + SHORTEST <= at <= NOW + LONGEST


@given(st.lists(st.integers(60, 30 * 86_400), max_size=MOST_RETRIES))
def test_a_schedule_that_was_kept_as_seconds_is_the_same(seconds: list[int]) -> None:
    assert RetrySchedule.of_seconds(seconds).seconds == seconds


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=59), LONGEST + timedelta(seconds=1)])
def test_a_delay_out_of_bounds_is_refused(delay: timedelta) -> None:
    with pytest.raises(ValueError, match="a retry waits between"):
        RetrySchedule((delay,))


def test_more_retries_than_card_schemes_allow_are_refused() -> None:
    with pytest.raises(ValueError, match="15 times at most"):
        RetrySchedule((SHORTEST,) * (MOST_RETRIES + 1))

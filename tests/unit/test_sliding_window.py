"""The counters of rate limits: what is counted, what is forgotten, and when."""

import random

from api.sliding_window import Counted, SlidingWindow


class Clock:
    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


def test_what_is_beyond_the_limit_is_refused_and_not_counted() -> None:
    clock = Clock()
    window = SlidingWindow(60, clock)
    assert [window.count("ada", 2) for _ in range(4)] == [
        Counted(remaining=1, reset=60, refused=False),
        Counted(remaining=0, reset=60, refused=False),
        Counted(remaining=0, reset=60, refused=True),
        Counted(remaining=0, reset=60, refused=True),
    ]
    clock.now += 90
    assert window.count("ada", 2) == Counted(remaining=0, reset=0, refused=False), "1 of the 2 still counts"


def test_each_caller_is_counted_alone() -> None:
    window = SlidingWindow(60, Clock())
    assert [window.count(caller, 1).refused for caller in ("ada", "bob", "ada")] == [False, False, True]


def test_the_last_window_weighs_as_much_as_is_still_covered_of_it() -> None:
    clock = Clock()
    window = SlidingWindow(60, clock)
    for _ in range(60):
        window.count("ada", 60)
    clock.now += 60
    assert window.count("ada", 60).refused
    clock.now += 15
    assert [window.count("ada", 60).remaining for _ in range(3)] == [14, 13, 12]


def test_whoever_comes_back_when_told_is_let_in() -> None:
    clock = Clock()
    window = SlidingWindow(60, clock)
    draw = random.Random(7)
    refused = 0
    for _ in range(2_000):
        counted = window.count("ada", 5)
        if counted.refused:
            refused += 1
            assert 0 <= counted.reset <= 60
            clock.now += counted.reset + 0.001
            assert not window.count("ada", 5).refused
        clock.now += draw.random() * 10
    assert refused > 100


def test_nothing_is_left_of_callers_that_did_not_come_back() -> None:
    clock = Clock()
    window = SlidingWindow(60, clock)
    for number in range(100):
        window.count(f"caller-{number}", 5)
    clock.now += 200
    assert window.count("ada", 5) == Counted(remaining=4, reset=40, refused=False)
    assert (len(window._current), len(window._previous)) == (1, 0)

"""Numbers of cards are found however they are written, and other numbers are left alone."""

import pytest

from domain.card_numbers import holds_card_number


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "pm_5555555555554444",
        "my card is 3782 822463 10005, thanks",
        "6011.1111.1111.1117",
        "2223003122003222",
        "4222222222222",
        "6205500000000000004",
    ],
)
def test_number_of_a_card_is_found(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pm_card_visa",
        "4242424242424241",
        "424242424242",
        "42424242424242424242",
        "12 Analytical Row, flat 4, 2nd floor",
        "1Z 999 AA1 01 2345 6784",
        "+44 7700 900123",
        "9780201379624",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
    ],
)
def test_anything_else_is_left_alone(text: str) -> None:
    assert not holds_card_number(text)

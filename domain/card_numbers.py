"""Finding what must not be written down: the number of a payment card."""

import re

_DIGITS = re.compile(r"(?<![0-9])[2-6](?:[ .\-]?[0-9]){12,18}(?![0-9])")
"""13 to 19 digits, together or in groups, that begin as those of the card schemes do."""


def holds_card_number(text: str) -> bool:
    """Tell whether a text holds what looks like the number of a card: one whose last digit checks the others (Luhn).

    One number of ten that is none looks like one, so this is for texts in which long numbers have no business.
    """
    return any(_checks(re.sub(r"[^0-9]", "", found)) for found in _DIGITS.findall(text))


def _checks(digits: str) -> bool:
    """Check the last digit: ISO/IEC 7812-1, annex B."""
    doubled = [int(one) * 2 for one in reversed(digits)][1::2]
    return (sum(int(one) for one in digits[::-1][::2]) + sum(one // 10 + one % 10 for one in doubled)) % 10 == 0

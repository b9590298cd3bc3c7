"""What a buyer writes on a transfer, so that the shop knows which order it pays for."""

_LONGEST = 21


def transfer_reference(number: str, attempt: int) -> str:
    """Write a structured creditor reference (ISO 11649) for one attempt to pay an order.

    `RF`, two check digits by which a bank finds most slips of the pen, and the order's number that a person can read.
    """
    stem = "".join(one for one in f"{number}A{attempt}".upper() if one.isascii() and one.isalnum())[-_LONGEST:]
    return f"RF{98 - _number(stem + 'RF00') % 97:02}{stem}"


def _number(letters: str) -> int:
    return int("".join(str(int(one, 36)) for one in letters))

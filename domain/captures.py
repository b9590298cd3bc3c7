"""When the buyer's money is taken, and how much of it each shipment takes."""

from enum import StrEnum


class CapturePolicy(StrEnum):
    """When an order's money is taken: all of it at placement or delivery, or with each shipment its share."""

    PLACEMENT = "placement"
    SHIPMENT = "shipment"
    DELIVERY = "delivery"


def share_of_shipment(*, paid: int, total: int, shipped_paid: int, captured_shares: int, last: bool) -> int:
    """Compute what one shipment takes, in minor units.

    A shipment takes the part of the total that its lines are of all lines, both as the buyer pays for them: after
    discount, with tax. So shipping and the tax on it are shared out by value; the last shipment takes all that is left,
    and the shares sum exactly to the total. `paid` is what is paid for all lines, `shipped_paid` for everything shipped
    so far, this shipment with it; `captured_shares` is the sum of the shares before it. Parts of a penny are rounded
    down cumulatively, so the order of shipments decides about pennies and about nothing else.
    """
    if last:
        return total - captured_shares
    so_far = total * shipped_paid // paid if paid else 0
    return min(max(so_far - captured_shares, 0), total - captured_shares)


def rest_of_order(*, paid: int, total: int, shipped_paid: int, captured_shares: int) -> int:
    """Compute what of the total is not owed any more once nothing else is shipped, in minor units.

    What was shipped costs what its shipments take, or would take: the rest is what their shares leave.
    """
    so_far = total * shipped_paid // paid if paid else 0
    return total - max(so_far, captured_shares)

"""When the buyer's money is taken, and how much of it each shipment takes."""

from enum import StrEnum


class CapturePolicy(StrEnum):
    """When an order's money is taken: all of it at placement or delivery, or with each shipment its share."""

    PLACEMENT = "placement"
    SHIPMENT = "shipment"
    DELIVERY = "delivery"


def share_of_shipment(
    *, subtotal: int, discount: int, total: int, shipped_value: int, captured_shares: int, last: bool
) -> int:
    """Compute what one shipment takes, in minor units.

    A shipment takes its lines' totals, less their part of the discount; the last one takes all that is left, so that
    shipping and tax come with it and the shares sum exactly to the total. `shipped_value` is the undiscounted value of
    everything shipped so far, this shipment with it; `captured_shares` the sum of the shares before it. Parts of a
    penny are rounded down cumulatively, so the order of shipments decides about pennies and about nothing else.
    """
    if last:
        return total - captured_shares
    discounted = shipped_value * (subtotal - discount) // subtotal if subtotal else 0
    return min(max(discounted - captured_shares, 0), total - captured_shares)

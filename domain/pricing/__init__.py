"""What a cart costs: pure, exact in minor units, and the same whatever the order of its lines.

The steps, in this order:

1. Lines are multiplied out and summed: the subtotal.
2. Promotions take their discounts, each from what the earlier ones have left (`promotions`). Those that combine are
   applied together, by priority and code; one that does not is applied alone. Of all these ways the one that saves the
   buyer most is taken.
3. Shipping is priced by the weight of the goods or by their value after discount (`shipping`).
4. Tax is found for each line after discount and for shipping (`taxes`), rounded by line or by total.
5. The total is `subtotal - discount + shipping + tax` (invariant I9). Tax that prices include is told, not added.

Every amount that is split over lines is split by largest remainder (`sharing`), so that parts always sum to the whole.
"""

from domain.pricing.lines import PricedLine
from domain.pricing.quote import Quote, QuotedLine, quote

__all__ = ["PricedLine", "Quote", "QuotedLine", "quote"]

"""Goods that come back to the shop: noted with their stock and their refund, in one step."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from contracts.orders import ArrivedLine, OrderSnapshot


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Note what of a return has arrived. No lines: all of it. No location: each goes back to where it came from."""

    order_id: UUID
    return_id: UUID
    actor: str
    lines: tuple[ArrivedLine, ...] = ()
    location: str | None = None
    refund: bool = True


class ReturnActivities:
    """The step of a return that an order's workflow takes. It is one transaction and may be repeated at any time."""

    @activity.defn(name="returns.take_back")
    async def take_back(self, request: TakeBack) -> OrderSnapshot:
        """Put goods back into stock, and begin to refund what was paid for them."""
        raise NotImplementedError

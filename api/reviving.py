"""Orders whose workflow is gone: terminated by hand, or lost with Temporal's store. Their rows bring it back."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import structlog

from api.deps import Resources
from db import orders
from domain.errors import NotFoundError, TemporarilyUnavailableError

T = TypeVar("T")

log = structlog.get_logger(__name__)


async def ask_order(resources: Resources, order_id: UUID, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask an order's workflow something; where it has none, start one that goes on from the order's row, and ask it.

    Raises:
        TemporarilyUnavailableError: it has none all the same. It is safe to try again.
    """
    try:
        return await ask()
    except NotFoundError:
        log.warning("order_without_workflow", order_id=str(order_id))
    try:
        async with resources.reads() as session:
            start = await orders.restart(session, order_id)
        await resources.orders.resume(replace(start, hold=resources.settings.hold))
        return await ask()
    except NotFoundError:
        raise TemporarilyUnavailableError(
            "The order's workflow does not run at the moment. It is safe to try again."
        ) from None

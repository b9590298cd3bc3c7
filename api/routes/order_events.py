"""What happens to an order, as it happens. Whoever may see the order may follow it, or have a ticket made for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from api.access import own_cart, own_order
from api.client_address import ClientAddress, household
from api.deps import Owns, Resources, ResourcesDep
from api.openapi import problems
from api.order_events import tickets
from api.order_events.feed import Watch
from api.order_events.stream import EventStream
from api.schemas.orders import EventTicket
from api.security import Caller, Scope
from db import order_events, orders
from domain.errors import NotFoundError, UnauthenticatedError
from domain.order_states import ENDED
from domain.roles import Role

router = APIRouter(prefix="/v1/orders", tags=["orders"])

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]
_LARGEST_ID = 2**63 - 1
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Entries of the timeline, as the data of server-sent events whose ids are their places. The "
        "last event is `end`, with a reason: `order_over`, or `come_back` with `Last-Event-ID`.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 4711\ndata: {"at":"2026-11-20T12:00:00Z","type":"placed","from":"pending",'
                '"to":"placed","actor":"system","reason":null}\n\n',
            }
        },
    },
    204: {"description": "The order is over, and everything was told: there is nothing to come back for."},
}


@router.post("/{order_id}/event-ticket", status_code=201, responses=problems(401, 404))
async def create_event_ticket(order_id: UUID, resources: ResourcesDep, caller: _Reader) -> EventTicket:
    """Make a ticket that opens the events of this order, and nothing else, for five minutes to whoever shows it."""
    await _require_own(resources, caller, order_id)
    ticket = tickets.issue(order_id, secret=resources.settings.secret, now=time())
    return EventTicket(ticket=ticket, expires_in=tickets.LIFETIME)


@dataclass(frozen=True, slots=True)
class _Followed:
    """An order that somebody may follow from a place on, for so many seconds."""

    order_id: UUID
    position: int
    seconds: float
    caller: str | None


async def _followed(
    *,
    order_id: UUID,
    resources: ResourcesDep,
    caller: _Reader,
    address: ClientAddress,
    ticket: Annotated[str | None, Query(description="Stands for every other credential.")] = None,
    last_event_header: Annotated[
        int | None,
        Header(alias="Last-Event-ID", ge=0, le=_LARGEST_ID, description="The id of the last event that was read."),
    ] = None,
    last_event_id: Annotated[
        int, Query(ge=0, le=_LARGEST_ID, description="The same, for who can send no header yet; the header wins.")
    ] = 0,
) -> _Followed:
    """Let in whoever may see the order, or shows a ticket for it.

    Raises:
        UnauthenticatedError: the ticket is not valid, or not any more.
        NotFoundError: there is no such order, or it is somebody else's.
    """
    seconds = resources.settings.event_stream_seconds
    if ticket is None:
        await _require_own(resources, caller, order_id)
    else:
        expires = tickets.expiry(ticket, order_id, secret=resources.settings.secret, now=time())
        if expires is None:
            raise UnauthenticatedError("the ticket is not valid, or not any more")
        seconds = min(seconds, expires - time())
    position = last_event_id if last_event_header is None else last_event_header
    return _Followed(order_id, position, seconds, _counted_as(caller, address))


async def _watch(
    resources: ResourcesDep, followed: Annotated[_Followed, Depends(_followed)]
) -> AsyncIterator[Watch | None]:
    """Follow the order until the answer was sent; None where nothing is left to follow."""
    if await _all_told(resources, followed):
        yield None
        return
    async with resources.feed.watching(followed.order_id, followed.position, followed.caller) as watch:
        yield watch


@router.get("/{order_id}/events", response_class=StreamingResponse, responses=_STREAM | problems(401, 404))
async def follow_order(
    followed: Annotated[_Followed, Depends(_followed)],
    watch: Annotated[Watch | None, Depends(_watch, scope="request")],
) -> Response:
    """Tell what has happened to an order and what happens, oldest first, until it is over.

    A stream ends after some minutes at the latest, and with its ticket; whoever comes back with `Last-Event-ID`, as
    browsers do by themselves, misses nothing and is told nothing twice; with a new ticket `last_event_id` does it.
    """
    return Response(status_code=204) if watch is None else EventStream(watch, followed.seconds)


def _counted_as(caller: Caller, address: str) -> str | None:
    """Name who has a stream open. The service token may have as many as there may be."""
    if Role.SERVICE in caller.roles:
        return None
    return str(caller.user_id or household(address))


async def _all_told(resources: Resources, followed: _Followed) -> bool:
    if not followed.position:
        return False
    async with resources.statements() as session:
        status = await orders.status(session, followed.order_id)
        return status in ENDED and not await order_events.is_more(session, followed.order_id, followed.position)


async def _require_own(resources: Resources, caller: Caller, order_id: UUID) -> None:
    """Refuse whoever does not open the order, or, before it has a row, the cart that it is made of.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    async with resources.reads() as session:
        if await own_order(session, caller, order_id) is not None:
            return
    cart_id = await resources.orders.accepted_cart(order_id)
    if cart_id is None:
        raise NotFoundError("no such order")
    async with resources.reads() as session:
        await own_cart(session, caller, cart_id)

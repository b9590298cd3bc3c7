"""What we hold of a person: handed to them, and erased when they ask for it."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.bodies import BodyRoute
from api.client_address import ClientAddress, household
from api.deps import OutboxDep, ResourcesDep, UserId, Write
from api.exporting import export
from api.openapi import problems
from api.schemas.personal_data import AccountErasure, ErasureAccepted, Export
from db import login_limits
from db.closing import close_account

router = APIRouter(prefix="/v1/users/me", tags=["users"], route_class=BodyRoute)


@router.get("/export", response_class=StreamingResponse, responses=problems(401, 403) | {200: {"model": Export}})
async def export_personal_data(resources: ResourcesDep, user_id: UserId) -> StreamingResponse:
    """Hand over everything that we hold of whoever is logged in, as one JSON document."""
    headers = {"Content-Disposition": 'attachment; filename="everorder-export.json"', "Cache-Control": "no-store"}
    return StreamingResponse(await export(resources, user_id), media_type="application/json", headers=headers)


@router.delete("", status_code=202, responses=problems(401, 403, "orders_open"))
async def erase_account(
    *,
    body: AccountErasure,
    session: Write,
    user_id: UserId,
    outbox: OutboxDep,
    resources: ResourcesDep,
    address: ClientAddress,
) -> ErasureAccepted:
    """Close the account of whoever is logged in, and erase the person everywhere.

    Every session ends at once. Orders stay for the books without the person. While one is under way, the answer is 409
    `orders_open` with its number: cancel it, or wait until it was delivered.
    """
    user = await resources.logins.confirm(user_id, body.password, household(address))
    await close_account(session, user.id)
    await login_limits.forget(session, resources.login_limits.account(user.email))
    outbox.erase(user.id)
    return ErasureAccepted()

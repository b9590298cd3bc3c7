"""The person who is logged in."""

from fastapi import APIRouter

from api import registrations
from api.client_address import ClientAddress, household
from api.deps import CallerDep, OutboxDep, Read, ResourcesDep, UserId, Write
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.accounts import PasswordChange, Profile, ProfileChanges
from db import users
from db.users import UserRow
from domain.errors import UnauthenticatedError

router = APIRouter(prefix="/v1/users/me", tags=["users"], route_class=IdempotentRoute)


@router.get("", responses=problems(401, 403))
async def get_profile(session: Read, user_id: UserId) -> Profile:
    """Show who is logged in."""
    return Profile.model_validate(_there(await users.find(session, user_id)))


@router.patch("", responses=problems(401, 403))
async def change_profile(body: ProfileChanges, session: Write, user_id: UserId) -> Profile:
    """Change name, telephone number or language; what is left out stays."""
    return Profile.model_validate(_there(await users.change(session, user_id, body.columns())))


@router.post("/password", status_code=204, responses=problems(401, 403))
async def change_password(
    *,
    body: PasswordChange,
    session: Write,
    user_id: UserId,
    caller: CallerDep,
    outbox: OutboxDep,
    resources: ResourcesDep,
    address: ClientAddress,
) -> None:
    """Choose another password. Every other session ends."""
    user = await resources.logins.confirm(user_id, body.current_password, household(address))
    await registrations.refuse_easy(resources.passwords, body.new_password, "new_password", user.email, user.name)
    hashed = await resources.passwords.hash(body.new_password)
    outbox.post(await registrations.set_password(session, user.id, hashed, keeping=caller.session_id))


def _there(user: UserRow | None) -> UserRow:
    """Return the account of whoever is logged in.

    Raises:
        UnauthenticatedError: it was erased since.
    """
    if user is None:
        raise UnauthenticatedError("there is no such account any more")
    return user

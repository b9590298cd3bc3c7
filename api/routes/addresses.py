"""The addresses that a person keeps. Those of others are not there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from api.deps import Read, UserId, Write
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.postal import deliverable
from api.schemas.addresses import AddressChanges, KeptAddress, NewAddress
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from db import addresses, people
from db.addresses import AddressRow
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/users/me/addresses", tags=["users"], route_class=IdempotentRoute)

_POSITION = TypeAdapter(tuple[UUID])


@router.get("", responses=problems(401, 403))
async def list_addresses(
    session: Read, user_id: UserId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[KeptAddress]:
    """List the addresses of whoever is logged in, in the order in which they were kept."""
    after = None if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await addresses.of_user(session, user_id, limit=limit + 1, after=after), limit)
    return Page[KeptAddress](
        items=[KeptAddress.model_validate(row) for row in page],
        next_cursor=None if last is None else encode(last.id),
    )


@router.post("", status_code=201, responses=problems(401, 403, 409, 413))
async def add_address(body: NewAddress, session: Write, user_id: UserId) -> KeptAddress:
    """Keep an address; it is validated for its country. At most 50 can be kept."""
    await people.lock(session, user_id)
    return KeptAddress.model_validate(await addresses.add(session, user_id, deliverable(body, "body").model_dump()))


@router.get("/{address_id}", responses=problems(401, 403, 404))
async def get_address(address_id: UUID, session: Read, user_id: UserId) -> KeptAddress:
    """Show an address."""
    return KeptAddress.model_validate(_found(await addresses.find(session, user_id, address_id)))


@router.patch("/{address_id}", responses=problems(401, 403, 404, 413))
async def change_address(address_id: UUID, body: AddressChanges, session: Write, user_id: UserId) -> KeptAddress:
    """Change an address; what is left out stays, and the whole is validated for its country."""
    await people.lock(session, user_id)
    address = _changed(_found(await addresses.find(session, user_id, address_id)), body.parts())
    changed = await addresses.change(session, user_id, address_id, deliverable(address, "body").model_dump())
    return KeptAddress.model_validate(changed)


@router.delete("/{address_id}", status_code=204, responses=problems(401, 403, 404))
async def remove_address(address_id: UUID, session: Write, user_id: UserId) -> None:
    """Forget an address. Orders that went there keep theirs."""
    await people.lock(session, user_id)
    if not await addresses.remove(session, user_id, address_id):
        raise NotFoundError("no such address")


def _found(address: AddressRow | None) -> AddressRow:
    if address is None:
        raise NotFoundError("no such address")
    return address


def _changed(address: AddressRow, parts: Mapping[str, Any]) -> NewAddress:
    """Put changes into an address.

    Raises:
        RequestValidationError: something is cleared that an address has to have.
    """
    known = KeptAddress.model_validate(address).model_dump(include=set(NewAddress.model_fields))
    try:
        return NewAddress.model_validate(known | dict(parts))
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None

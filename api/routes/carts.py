"""Carts: opened by their secret, changed by one request at a time."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api import cart_choices, quotes
from api.access import own_cart, own_cart_locked
from api.audience import PUBLIC
from api.deps import CallerDep, Needs, OutboxDep, Owns, Read, ResourcesDep, SettingsDep, UserId, Write
from api.errors import InvalidRequestError, ProblemError
from api.explaining import Explained, empty, explain
from api.idempotency import IdempotentRoute, cart_owner
from api.openapi import problems
from api.postal import deliverable
from api.schemas.carts import (
    Cart,
    CartChanges,
    CartClaim,
    CartSummary,
    LineQuantity,
    NewCart,
    NewLine,
    NewLines,
    OpenedCart,
    ShippingMethod,
)
from api.schemas.fields import MOST_LINES, MOST_QUANTITY, Moment, Sku
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope, digest, new_secret
from clients.claims import OrderClaims
from db import cart_claims, carts, idempotency, idle_carts, people
from db.cart_claims import Claimed
from db.carts import CartRow
from db.idle_carts import CartSearch
from domain.errors import (
    CartCheckedOutError,
    CartExpiredError,
    CartInCheckoutError,
    NotFoundError,
)
from models.carts import CartStatus

router = APIRouter(prefix="/v1/carts", tags=["carts"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.CARTS_ANY))]
_Writer = Annotated[Caller, Depends(Owns(Scope.CARTS_WRITE))]
_ON_CHANGE = problems(401, 404, "cart_in_checkout", "cart_checked_out", "cart_expired")
_ON_NEW_LINES = _ON_CHANGE | problems("unknown_sku", "currency_mismatch")
_POSITION = TypeAdapter(tuple[datetime, UUID])


@router.post(
    "",
    status_code=201,
    dependencies=[PUBLIC],
    responses=problems(401, 403, 404, "currency_mismatch") | {200: {"model": OpenedCart}},
)
async def open_cart(
    response: Response, session: Write, settings: SettingsDep, caller: CallerDep, body: NewCart | None = None
) -> OpenedCart:
    """Open a cart: of an account, or of a guest, to whom its `token` is shown this once.

    A `reference` that was used before gives the cart that it opened.
    """
    wanted = body or NewCart()
    if wanted.reference is not None:
        caller.require(Scope.ORDERS_IMPORT)
    secret = None if caller.user_id else new_secret()
    cart = await carts.create(
        session,
        currency=wanted.currency or settings.currency,
        token_digest=digest(secret) if secret else None,
        customer_id=caller.user_id,
        reference=wanted.reference,
    )
    if cart is not None:
        return await quotes.show_opened(session, empty(cart), secret)
    response.status_code = 200
    return await _opened_before(session, wanted)


@router.get("", dependencies=[Depends(Needs(Scope.CARTS_ANY))], responses=problems(401, 403))
async def list_carts(
    *,
    session: Read,
    status: CartStatus = CartStatus.OPEN,
    idle_since: Annotated[Moment | None, Query(description="Not changed then or later; UTC unless it says.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[CartSummary]:
    """List carts by when they were last changed, the latest first; those that were abandoned are open and idle."""
    search = CartSearch(
        status=status,
        idle_since=idle_since,
        after=None if cursor is None else decode(cursor, _POSITION),
        limit=limit + 1,
    )
    page, last = cut(await idle_carts.search(session, search), limit)
    return Page[CartSummary](
        items=[CartSummary.model_validate(cart) for cart in page],
        next_cursor=None if last is None else encode(last.updated_at, last.id),
    )


@router.get("/{cart_id}", responses=problems(401, 404))
async def get_cart(cart_id: UUID, session: Read, caller: _Reader) -> Cart:
    """Show a cart at today's prices."""
    cart = await own_cart(session, caller, cart_id)
    return await quotes.show(session, cart)


@router.patch("/{cart_id}", responses=_ON_CHANGE | problems("promotion_code_invalid"))
async def change_cart(cart_id: UUID, body: CartChanges, session: Write, caller: _Writer) -> Cart:
    """Change contact, addresses, shipping method and promotion codes; what is left out stays.

    Addresses are validated for their country; the scope `orders:import` may send them as another system has kept them.
    A code that can be used no more later stays, changes nothing, and is told as a problem of the cart's adjustments.
    """
    before = await _locked(session, caller, cart_id)
    changes = (body if caller.may(Scope.ORDERS_IMPORT) else _deliverable(body)).columns()
    if not changes:
        return await quotes.show(session, before)
    cart = await carts.change(session, before.id, changes)
    explained = await explain(session, cart)
    cart_choices.check(before, explained, body)
    return await quotes.show_explained(session, explained)


@router.put("/{cart_id}/lines", responses=_ON_NEW_LINES | problems(403))
async def replace_cart_lines(cart_id: UUID, body: NewLines, session: Write, caller: _Writer) -> Cart:
    """Make these the lines of a cart, all at once and in this order."""
    if any(line.unit_price is not None for line in body.lines):
        caller.require(Scope.ORDERS_IMPORT)
    cart = await _locked(session, caller, cart_id)
    await carts.replace_lines(session, cart.id, [_new_line(cart, line) for line in body.lines])
    return await _changed(session, cart, {line.sku for line in body.lines})


@router.put("/{cart_id}/lines/{sku:path}", responses=_ON_NEW_LINES)
async def set_cart_line(cart_id: UUID, sku: Sku, body: LineQuantity, session: Write, caller: _Writer) -> Cart:
    """Set how much of a SKU is in a cart."""
    cart = await _locked(session, caller, cart_id)
    await carts.set_line(session, cart.id, sku, body.quantity)
    return await _changed(session, cart, {sku})


@router.delete("/{cart_id}/lines/{sku:path}", responses=_ON_CHANGE)
async def remove_cart_line(cart_id: UUID, sku: Sku, session: Write, caller: _Writer) -> Cart:
    """Take a SKU out of a cart; it need not be there."""
    cart = await _locked(session, caller, cart_id)
    await carts.remove_line(session, cart.id, sku)
    return await quotes.show(session, cart)


@router.get("/{cart_id}/shipping-methods", responses=problems(401, 404))
async def list_shipping_methods(cart_id: UUID, session: Read, caller: _Reader) -> Page[ShippingMethod]:
    """List the ways in which a cart can be sent to its address, with what each costs this cart.

    A shop without shipping zones has none, and needs none.
    """
    cart = await own_cart(session, caller, cart_id)
    return Page[ShippingMethod](items=await cart_choices.shipping_methods(session, cart))


def _deliverable(changes: CartChanges) -> CartChanges:
    """Write the addresses as their countries do; refuse those that no mail would find."""
    given = {"shipping_address": changes.shipping_address, "billing_address": changes.billing_address}
    written = {part: deliverable(address, "body", part) for part, address in given.items() if address is not None}
    return changes.model_copy(update=written)


@router.post("/{cart_id}/claim", responses=problems(401, 403, 404))
async def claim_cart(
    *,
    cart_id: UUID,
    body: CartClaim | None = None,
    session: Write,
    caller: CallerDep,
    user_id: UserId,
    resources: ResourcesDep,
    outbox: OutboxDep,
) -> Cart:
    """Give a guest's cart, and the orders that came out of it, to the account of whoever shows both.

    It stands beside the carts that the account has; with `merge`, an open one goes into the open cart of its currency
    that the account has used last, and the answer is that one: quantities are summed, contact and addresses fill in
    what it lacks. The guest's secret opens nothing any more. Asked again, the answer is the same cart.
    """
    wanted = body or CartClaim()
    if wanted.merge:
        await people.lock(session, user_id)
    cart = await carts.lock(session, cart_id)
    if cart.customer_id == user_id:
        return await quotes.show(session, await _went_into(session, cart))
    claimed = await _claimed(session, caller, cart, user_id, merge=wanted.merge)
    for order_id in claimed.orders:
        outbox.begin(OrderClaims(resources.orders, user_id), order_id)
    explained = await explain(session, claimed.cart)
    if claimed.cart.id != cart.id:
        return await _fitting(session, explained)
    return await quotes.show_explained(session, explained)


async def _went_into(session: AsyncSession, cart: CartRow) -> CartRow:
    return await carts.lock(session, cart.merged_into) if cart.merged_into else cart


async def _claimed(session: AsyncSession, caller: Caller, cart: CartRow, user_id: UUID, *, merge: bool) -> Claimed:
    if cart.customer_id is not None or cart.token_digest is None or not caller.shows(cart.token_digest):
        raise NotFoundError("no such cart")
    await idempotency.forget(session, cart_owner(cart.token_digest))
    if merge:
        return await cart_claims.merge(session, cart, user_id, most=MOST_QUANTITY)
    return await cart_claims.claim(session, cart, user_id)


async def _opened_before(session: AsyncSession, wanted: NewCart) -> OpenedCart:
    cart = await carts.find_by_reference(session, wanted.reference or "")
    if cart is None:
        raise NotFoundError("no such cart")
    if wanted.currency not in {None, cart.currency}:
        raise ProblemError("currency_mismatch", f"the cart of this reference is in {cart.currency}")
    return await quotes.show_opened(session, await explain(session, cart), None)


async def _locked(session: AsyncSession, caller: Caller, cart_id: UUID) -> CartRow:
    """Lock a cart that may be changed."""
    cart = await own_cart_locked(session, caller, cart_id)
    match cart.status:
        case CartStatus.OPEN:
            return cart
        case CartStatus.FROZEN:
            raise CartInCheckoutError("the cart is being checked out")
        case CartStatus.ORDERED:
            raise CartCheckedOutError("the cart has become an order")
        case CartStatus.EXPIRED:
            raise CartExpiredError("the cart has expired")


def _new_line(cart: CartRow, line: NewLine) -> carts.NewLine:
    if line.unit_price is None:
        return carts.NewLine(line.sku, line.quantity)
    if line.unit_price.currency != cart.currency:
        raise ProblemError("currency_mismatch", f"the cart is in {cart.currency}")
    return carts.NewLine(line.sku, line.quantity, line.unit_price.amount)


async def _changed(session: AsyncSession, cart: CartRow, skus: set[str]) -> Cart:
    """Show a cart whose lines were changed, unless it can not be what it was made to be."""
    explained = await explain(session, cart)
    _require_sold(explained, skus)
    return await _fitting(session, explained)


async def _fitting(session: AsyncSession, explained: Explained) -> Cart:
    """Show a cart, unless it has more lines or costs more than a cart can."""
    if len(explained.rows) > MOST_LINES:
        raise InvalidRequestError(f"A cart has at most {MOST_LINES} lines", "body")
    shown = await quotes.show_explained(session, explained)
    quotes.require_payable(shown)
    return shown


def _require_sold(explained: Explained, skus: set[str]) -> None:
    """Refuse SKUs that can not be sold. Other lines of the cart do not stand in the way of a change."""
    new = [row for row in explained.rows if row.sku in skus]
    carts.require_sellable(
        explained.cart,
        unsold=skus - {row.sku for row in new if row.sold},
        unpriced={row.sku for row in new if row.unit_price is None},
    )

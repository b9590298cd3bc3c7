"""Carts: opened by their secret, changed by one request at a time."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import quotes
from api.access import own_cart, own_cart_locked
from api.audience import PUBLIC
from api.deps import CallerDep, OutboxDep, Owns, Read, ResourcesDep, SettingsDep, UserId, Write
from api.errors import InvalidRequestError, ProblemError
from api.idempotency import IdempotentRoute, cart_owner
from api.openapi import problems
from api.postal import deliverable
from api.schemas.carts import Cart, CartChanges, LineQuantity, NewCart, NewLine, NewLines, OpenedCart, ShippingMethod
from api.schemas.fields import MOST_LINES, Sku
from api.schemas.lists import Page
from api.security import Caller, Scope, digest, new_secret
from clients.claims import OrderClaims
from db import carts, idempotency
from db.carts import CartLineRow, CartRow
from domain.errors import (
    CartCheckedOutError,
    CartInCheckoutError,
    ConflictError,
    CurrencyUnavailableError,
    NotFoundError,
    UnknownSkuError,
)
from models.carts import CartStatus

router = APIRouter(prefix="/v1/carts", tags=["carts"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.CARTS_ANY))]
_Writer = Annotated[Caller, Depends(Owns(Scope.CARTS_WRITE))]
_ON_CHANGE = problems(401, 404, 409, 413)


@router.post(
    "", status_code=201, dependencies=[PUBLIC], responses=problems(401, 403, 413) | {200: {"model": OpenedCart}}
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
        return quotes.show_opened(cart, [], secret)
    response.status_code = 200
    return await _opened_before(session, wanted)


@router.get("/{cart_id}", responses=problems(401, 404))
async def get_cart(cart_id: UUID, session: Read, caller: _Reader) -> Cart:
    """Show a cart at today's prices."""
    cart = await own_cart(session, caller, cart_id)
    return quotes.show(cart, await carts.lines(session, cart))


@router.patch("/{cart_id}", responses=_ON_CHANGE)
async def change_cart(cart_id: UUID, body: CartChanges, session: Write, caller: _Writer) -> Cart:
    """Change contact and addresses; what is left out stays. Addresses are validated for their country.

    The scope `orders:import` may send addresses as another system has kept them.
    """
    cart = await _locked(session, caller, cart_id)
    changes = (body if caller.may(Scope.ORDERS_IMPORT) else _deliverable(body)).columns()
    if changes:
        cart = await carts.change(session, cart.id, changes)
    return quotes.show(cart, await carts.lines(session, cart))


@router.put("/{cart_id}/lines", responses=_ON_CHANGE | problems(403))
async def replace_cart_lines(cart_id: UUID, body: NewLines, session: Write, caller: _Writer) -> Cart:
    """Make these the lines of a cart, all at once and in this order."""
    if any(line.unit_price is not None for line in body.lines):
        caller.require(Scope.ORDERS_IMPORT)
    cart = await _locked(session, caller, cart_id)
    await carts.replace_lines(session, cart.id, [_new_line(cart, line) for line in body.lines])
    return await _changed(session, cart, {line.sku for line in body.lines})


@router.put("/{cart_id}/lines/{sku:path}", responses=_ON_CHANGE)
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
    return quotes.show(cart, await carts.lines(session, cart))


@router.get("/{cart_id}/shipping-methods", responses=problems(401, 404))
async def list_shipping_methods(cart_id: UUID, session: Read, caller: _Reader) -> Page[ShippingMethod]:
    """List the ways in which a cart can be sent: none until there are some, and none is needed."""
    await own_cart(session, caller, cart_id)
    return Page[ShippingMethod](items=[])


def _deliverable(changes: CartChanges) -> CartChanges:
    """Write the addresses as their countries do; refuse those that no mail would find."""
    given = {"shipping_address": changes.shipping_address, "billing_address": changes.billing_address}
    written = {part: deliverable(address, "body", part) for part, address in given.items() if address is not None}
    return changes.model_copy(update=written)


@router.post("/{cart_id}/claim", responses=problems(401, 403, 404))
async def claim_cart(
    *, cart_id: UUID, session: Write, caller: CallerDep, user_id: UserId, resources: ResourcesDep, outbox: OutboxDep
) -> Cart:
    """Give a guest's cart, and the orders that came out of it, to the account of whoever shows both.

    It stands beside the carts that the account has. Its secret opens nothing any more.
    """
    cart = await carts.lock(session, cart_id)
    if cart.customer_id != user_id:
        cart, freed = await _claimed(session, caller, cart, user_id)
        for order_id in freed:
            outbox.begin(OrderClaims(resources.orders, user_id), order_id)
    return quotes.show(cart, await carts.lines(session, cart))


async def _claimed(
    session: AsyncSession, caller: Caller, cart: CartRow, user_id: UUID
) -> tuple[CartRow, Sequence[UUID]]:
    if cart.customer_id is not None or cart.token_digest is None or not caller.shows(cart.token_digest):
        raise NotFoundError("no such cart")
    await idempotency.forget(session, cart_owner(cart.token_digest))
    return await carts.claim(session, cart.id, user_id)


async def _opened_before(session: AsyncSession, wanted: NewCart) -> OpenedCart:
    cart = await carts.find_by_reference(session, wanted.reference or "")
    if cart is None:
        raise NotFoundError("no such cart")
    if wanted.currency not in {None, cart.currency}:
        raise ProblemError("currency_mismatch", f"the cart of this reference is in {cart.currency}")
    return quotes.show_opened(cart, await carts.lines(session, cart), None)


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
            raise ConflictError("the cart has expired")


def _new_line(cart: CartRow, line: NewLine) -> carts.NewLine:
    if line.unit_price is None:
        return carts.NewLine(line.sku, line.quantity)
    if line.unit_price.currency != cart.currency:
        raise ProblemError("currency_mismatch", f"the cart is in {cart.currency}")
    return carts.NewLine(line.sku, line.quantity, line.unit_price.amount)


async def _changed(session: AsyncSession, cart: CartRow, skus: set[str]) -> Cart:
    """Show a cart whose lines were changed, unless it can not be what it was made to be."""
    rows = await carts.lines(session, cart)
    _require_sold(cart, rows, skus)
    if len(rows) > MOST_LINES:
        raise InvalidRequestError(f"A cart has at most {MOST_LINES} lines", "body")
    shown = quotes.show(cart, rows)
    quotes.require_payable(shown)
    return shown


def _require_sold(cart: CartRow, rows: Sequence[CartLineRow], skus: set[str]) -> None:
    """Refuse SKUs that can not be sold. Other lines of the cart do not stand in the way of a change."""
    new = [row for row in rows if row.sku in skus]
    unknown = skus - {row.sku for row in new if row.sold}
    if unknown:
        raise UnknownSkuError(*sorted(unknown))
    unpriced = {row.sku for row in new if row.unit_price is None}
    if unpriced:
        raise CurrencyUnavailableError(cart.currency, *sorted(unpriced))

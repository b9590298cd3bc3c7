"""Carts that are about to be checked out: what would be refused is found in one statement, before anything is begun."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import carts
from db.carts import LINES, CartRow
from domain.errors import ShippingMethodRequiredError

_READINESS = text(f"""
SELECT count(*) AS lines, array_agg(sku) FILTER (WHERE NOT sold) AS unsold,
       array_agg(sku) FILTER (WHERE unit_price IS NULL) AS unpriced, EXISTS (SELECT FROM shipping_zones) AS ships
FROM ({LINES.text}) AS lines
""")  # noqa: S608 - of constants


async def require(session: AsyncSession, cart: CartRow) -> None:
    """Refuse a cart that can not become an order as it is; what only its price can tell is for the checkout to find.

    Raises:
        UnknownSkuError: a product is not sold any more.
        CurrencyUnavailableError: a SKU has no price in the cart's currency.
        CartEmptyError, CartIncompleteError, ShippingMethodRequiredError: something is missing.
    """
    found = (await session.execute(_READINESS, {"cart": cart.id, "currency": cart.currency})).one()
    carts.require_sellable(cart, unsold=found.unsold or (), unpriced=found.unpriced or ())
    carts.require_complete(cart, found.lines)
    if found.ships and cart.shipping_method is None:
        raise ShippingMethodRequiredError("a checkout needs a shipping method")

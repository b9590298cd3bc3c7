"""Every route, asked by every role, about what is the caller's own and what is somebody else's.

What has to come of it follows from two tables alone: whom the route says it is for, and what the role may.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.audience import Access, Audience, access
from api.routes import platform
from api.security import SCOPES, digest, new_secret
from domain.roles import Role
from models.columns import new_id
from tests.api.buyer import ADDRESS, PAYMENT, Buyer
from tests.api.conftest import SERVICE_TOKEN
from tests.api.orders_double import OrdersDouble
from tests.support.people import People, Person
from tests.support.shop import Shop

ROUTES = [
    (method, route)
    for router in (platform.router, *(router for routers in ROUTERS.values() for router in routers))
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
BODIES: dict[str, Any] = {
    "replace_cart_lines": {"lines": []},
    "set_cart_line": {"quantity": 1},
    "check_out": PAYMENT,
    "pay_order": PAYMENT,
}
"""What a request has to say for its owner to be asked after at all; other routes take an empty one, or refuse it."""

FAILURES = {429, 500}


@dataclass
class Visitor:
    """Somebody of a role. A guest is nobody in particular, a service is no person."""

    role: Role
    headers: dict[str, str]
    person: Person | None = None


@dataclass
class Mall:
    """Makes what routes are about: of a caller, or of somebody else."""

    client: httpx2.AsyncClient
    shop: Shop
    people: People
    sku: str

    async def cart(self, owner: UUID | None) -> tuple[Buyer, dict[str, str]]:
        """Make a cart of an account or of a guest, and tell what opens it."""
        cart, secret = new_id(), new_secret()
        await self.shop.run(
            "INSERT INTO carts (id, status, checkout_attempt, currency, email, customer_id, token_digest,"
            " shipping_address) VALUES (:id, 'open', 1, 'GBP', 'ada@example.com', :owner, :digest,"
            " jsonb_build_object('name', 'Ada', 'country', 'GB'))",
            id=cart,
            owner=owner,
            digest=None if owner else digest(secret),
        )
        await self.shop.run(
            "INSERT INTO cart_lines (line_id, cart_id, sku, quantity) VALUES (:line, :cart, :sku, 2)",
            line=new_id(),
            cart=cart,
            sku=self.sku,
        )
        opens = {} if owner else {"X-Cart-Token": secret}
        return Buyer(self.client, self.shop, cart, opens, self.sku), opens

    async def order(self, owner: UUID | None) -> tuple[UUID, dict[str, str]]:
        """Make an order that waits for a payment, and tell what opens it."""
        buyer, opens = await self.cart(owner)
        order = await buyer.has_order("payment_required", payment_status="none")
        await self.shop.run("UPDATE orders SET customer_id = :owner WHERE id = :id", owner=owner, id=order)
        return order, opens

    async def returned(self, owner: UUID | None) -> tuple[UUID, dict[str, str]]:
        """Make a return that was asked for, and tell what opens its order."""
        order, opens = await self.order(owner)
        wanted = new_id()
        await self.shop.run(
            "INSERT INTO returns (id, order_id, n, state, actor) VALUES (:id, :order, 1, 'requested', 'guest')",
            id=wanted,
            order=order,
        )
        return wanted, opens

    async def address(self, owner: Person) -> str:
        """Keep an address of somebody."""
        kept = await self.client.post("/v1/users/me/addresses", json=ADDRESS, headers=owner.headers)
        return str(kept.json()["id"])


@pytest.fixture(scope="module")
async def mall(guest: httpx2.AsyncClient, shop: Shop, people: People) -> Mall:
    return Mall(guest, shop, people, await shop.buyable())


@pytest.fixture(scope="module")
async def visitors(people: People) -> list[Visitor]:
    """One of each role."""
    found = [Visitor(Role.GUEST, {}), Visitor(Role.SERVICE, {"Authorization": f"Bearer {SERVICE_TOKEN}"})]
    for role in (Role.CUSTOMER, Role.SUPPORT, Role.CATALOG_MANAGER, Role.WAREHOUSE, Role.ADMIN):
        person = await (people.customer() if role is Role.CUSTOMER else people.staff(role))
        found.append(Visitor(role, person.headers, person))
    assert {visitor.role for visitor in found} == set(Role)
    return found


@dataclass
class Cell:
    """One request, and what has to come of it: a status, or None for being let in."""

    visitor: Visitor
    about: str
    path: str
    headers: dict[str, str]
    expected: int | None


def test_every_route_says_whom_it_is_for() -> None:
    assert [f"{method} {route.path}" for method, route in ROUTES if access(route) is None] == []


def test_the_document_says_whom_each_route_is_for(app: Any) -> None:
    said = {
        operation["operationId"]: operation.get("x-access")
        for path in app.openapi()["paths"].values()
        for operation in path.values()
    }
    assert said == {route.name: str(access(route)) for _, route in ROUTES if route.include_in_schema}


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=[f"{m} {r.path}" for m, r in ROUTES])
async def test_each_role_gets_what_the_tables_say(
    mall: Mall, visitors: list[Visitor], orders: OrdersDouble, method: str, route: APIRoute
) -> None:
    allowed = access(route)
    assert allowed is not None
    wrong = []
    orders.forget()
    for visitor in visitors:
        async for cell in cells(mall, visitor, route, allowed):
            answer = await mall.client.request(method, cell.path, headers=cell.headers, json=body(method, route))
            if not fits(answer.status_code, cell.expected, allowed):
                wrong.append((visitor.role, cell.about, answer.status_code, cell.expected, answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=[f"{m} {r.path}" for m, r in ROUTES])
async def test_a_token_that_is_not_known_opens_nothing(mall: Mall, method: str, route: APIRoute) -> None:
    answer = await mall.client.request(
        method, filled(route, {}), headers={"Authorization": "Bearer nobody"}, json=body(method, route)
    )
    allowed = access(route)
    assert allowed is not None
    assert allowed.audience is Audience.PUBLIC or answer.status_code == 401


def body(method: str, route: APIRoute) -> Any:
    return None if method in {"GET", "DELETE"} and route.body_field is None else BODIES.get(route.name, {})


def fits(status: int, expected: int | None, allowed: Access) -> bool:
    """Tell whether an answer is what it has to be. Somebody who is let in may still find nothing, or say nonsense."""
    if expected is not None:
        return status == expected
    may_miss = allowed.audience in {Audience.PUBLIC, Audience.STAFF}
    return status not in FAILURES | {401, 403} | (set() if may_miss else {404})


def filled(route: APIRoute, values: dict[str, object]) -> str:
    """Write a path; what is not given is nothing that there is."""
    named = {name: values.get(name, uuid4()) for name in route.param_convertors}
    path = route.path
    for name, value in named.items():
        path = path.replace(f"{{{name}:path}}", str(value)).replace(f"{{{name}}}", str(value))
    return path


async def cells(mall: Mall, visitor: Visitor, route: APIRoute, allowed: Access) -> Any:
    match allowed.audience:
        case Audience.PUBLIC:
            yield Cell(visitor, "it", filled(route, {}), visitor.headers, None)
        case Audience.STAFF:
            yield Cell(visitor, "it", filled(route, {}), visitor.headers, of_staff(visitor, allowed))
        case Audience.ACCOUNT:
            async for cell in of_account(mall, visitor, route):
                yield cell
        case Audience.OWNER:
            async for cell in of_owner(mall, visitor, route, allowed):
                yield cell


def of_staff(visitor: Visitor, allowed: Access) -> int | None:
    if visitor.role is Role.GUEST:
        return 401
    return None if allowed.scope in SCOPES[visitor.role] else 403


async def of_account(mall: Mall, visitor: Visitor, route: APIRoute) -> Any:
    names = set(route.param_convertors)
    if visitor.person is None:
        refused = 401 if visitor.role is Role.GUEST else 403
        yield Cell(visitor, "it", filled(route, {}), visitor.headers, refused)
    elif not names:
        yield Cell(visitor, "it", filled(route, {}), visitor.headers, None)
    else:
        assert names <= set(OF_ACCOUNTS), f"teach this test to make {names} of somebody"
        other = await mall.people.customer()
        for about, owner, expected in (("own", visitor.person, None), ("other's", other, 404)):
            values: dict[str, object] = {}
            opens: dict[str, str] = {}
            for name in names:
                values[name], opens = await OF_ACCOUNTS[name](mall, owner)
            shown = visitor.headers | (opens if expected is None else {})
            yield Cell(visitor, about, filled(route, values), shown, expected)


async def _address(mall: Mall, owner: Person) -> tuple[object, dict[str, str]]:
    return await mall.address(owner), {}


async def _guests_cart(mall: Mall, owner: Person) -> tuple[object, dict[str, str]]:
    buyer, opens = await mall.cart(None)
    return buyer.cart_id, opens


OF_ACCOUNTS: dict[str, Callable[[Mall, Person], Awaitable[tuple[object, dict[str, str]]]]] = {
    "address_id": _address,
    "cart_id": _guests_cart,
}
"""Makes what a route of an account is about, by the name of its path parameter, and tells what opens it besides."""


async def of_owner(mall: Mall, visitor: Visitor, route: APIRoute, allowed: Access) -> Any:
    names = set(route.param_convertors)
    if not names:
        yield Cell(
            visitor, "one's own", filled(route, {}), visitor.headers, 401 if visitor.role is Role.GUEST else None
        )
        return
    assert names <= {"cart_id", "order_id", "return_id", "sku"}, f"teach this test to make {names} of somebody"
    stands_for_it = allowed.scope in SCOPES[visitor.role]
    for about, owner, expected in owned(visitor, stands_for_it):
        cart, opens = await mall.cart(owner)
        values: dict[str, object] = {"cart_id": cart.cart_id, "sku": mall.sku}
        if "order_id" in names:
            values["order_id"], opens = await mall.order(owner)
        if "return_id" in names:
            values["return_id"], opens = await mall.returned(owner)
        shown = visitor.headers | (opens if about == "own" else {"X-Cart-Token": new_secret()})
        yield Cell(visitor, about, filled(route, values), shown, expected)


def owned(visitor: Visitor, stands_for_it: bool) -> Iterator[tuple[str, UUID | None, int | None]]:
    """List whose things are asked after: a guest's, one's own, and those of somebody with an account."""
    if visitor.person is not None:
        yield "own", visitor.person.id, None
    yield "own", None, None  # by the cart's secret, which anybody may hold
    otherwise = None if stands_for_it else 404
    yield "other's", None, otherwise
    yield "other's", new_id(), otherwise

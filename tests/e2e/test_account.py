"""A person over the whole stack: registers, follows the mail, asks for text messages, buys, asks for what is held of
them, and is forgotten."""

import asyncio
import re
from html import unescape
from typing import Any
from uuid import UUID

import httpx2
import pytest

from contracts.erasures import erasure_workflow_id
from contracts.orders import order_workflow_id
from tests.api.answers import body, problem
from tests.support import traces
from tests.support.histories import clear_text
from tests.support.shopper import Shopper
from tests.support.stack import RunningStack
from tests.support.world import World

EMAIL = "rosalind.franklin@example.org"
PASSWORD = "photograph-51-in-the-drawer"
PHONE = "+442079461951"
ADDRESS = {
    "name": "Rosalind Franklin",
    "line1": "3 Diffraction Mews",
    "city": "Chelsea",
    "postal_code": "SW10 9TJ",
    "country": "GB",
    "phone": PHONE,
}
WORDS = ("rosalind", "Franklin", "Diffraction", "2079461951", "SW10 9TJ")
BOTH_WAYS = {"order_updates": {"email": True, "sms": True}, "marketing": {"email": False, "sms": False}}
VISA = {"payment_method": {"token": "pm_card_visa"}}


class Person:
    """Somebody at the API, and at the page with the mails."""

    def __init__(self, client: httpx2.AsyncClient, mailbox: str) -> None:
        self.client = client
        self.headers: dict[str, str] = {}
        self._mailbox = httpx2.URL(mailbox)

    async def ask(self, method: str, path: str, content: Any = None, **headers: str) -> httpx2.Response:
        return await self.client.request(method, path, json=content, headers={**self.headers, **headers})

    async def register(self) -> None:
        """Open an account by way of the mail."""
        account = {"email": EMAIL, "password": PASSWORD, "name": "Rosalind Franklin"}
        body(await self.ask("POST", "/v1/auth/register", account), 202)
        token = (await self.mail("Confirm your e-mail address")).partition("#token=")[2].split()[0]
        assert (await self.ask("POST", "/v1/auth/verify-email", {"token": token})).status_code == 204

    async def log_in(self) -> httpx2.Response:
        form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD}
        return await self.client.post("/v1/auth/token", data=form)

    async def mail(self, subject: str, to: str = EMAIL) -> str:
        """Wait for a mail or text message, as somebody who looks at the page, and read it."""
        async with asyncio.timeout(30):
            while not (found := [mail for mail in await self.mails(to) if mail[1] == subject]):  # noqa: ASYNC110 - a page
                await asyncio.sleep(0.05)
        page = await self.client.get(self._mailbox.join(found[0][0]))
        return unescape(page.text)

    async def mails(self, to: str = EMAIL) -> list[tuple[str, str]]:
        """List what came to an address or telephone: where each message is, and its subject."""
        page = await self.client.get(self._mailbox)
        rows = re.findall(r"<td>([^<]*)</td>\s*<td><a href=\"([^\"]+)\">([^<]*)</a>", page.text)
        return [(unescape(link), unescape(subject)) for recipient, link, subject in rows if to in unescape(recipient)]


@pytest.fixture
async def person(stack: RunningStack, shopper: Shopper) -> Person:
    return Person(shopper.client, str(stack.told["mailbox_url"]))


async def until_erased(world: World, user_id: UUID) -> None:
    async with asyncio.timeout(30):
        while (await world.shop.run("SELECT erased_at FROM users WHERE id = :id", id=user_id)) == [(None,)]:  # noqa: ASYNC110 - a worker does it
            await asyncio.sleep(0.05)


async def test_person_registers_buys_exports_and_is_forgotten_by_every_process(
    stack: RunningStack, world: World, person: Person
) -> None:
    staff = {"Authorization": f"Bearer {stack.token}"}
    sku = await world.goods(stock=10, amount=2_500)

    # Before the account: a cart as a guest.
    guest = body(await person.ask("POST", "/v1/carts", {}), 201)
    path, secret = f"/v1/carts/{guest['id']}", {"X-Cart-Token": guest["token"]}
    body(await person.ask("PUT", f"{path}/lines/{sku}", {"quantity": 2}, **secret))
    body(await person.ask("PATCH", path, {"email": EMAIL, "shipping_address": ADDRESS}, **secret))

    problem(await person.log_in(), 401, "unauthenticated")
    await person.register()
    person.headers = {"Authorization": f"Bearer {body(await person.log_in())['access_token']}"}
    user_id = UUID(body(await person.ask("GET", "/v1/users/me"))["id"])

    # The account has a cart already: the guest's goes into it, and becomes an order.
    cart = body(await person.ask("POST", "/v1/carts", {}), 201)["id"]
    body(await person.ask("PUT", f"/v1/carts/{cart}/lines/{sku}", {"quantity": 1}))
    merged = body(await person.ask("POST", f"{path}/claim", {"merge": True}, **secret))
    assert (merged["id"], [line["quantity"] for line in merged["lines"]]) == (cart, [3])
    body(await person.ask("PATCH", f"/v1/carts/{cart}", {"phone": PHONE}))
    wanted = body(await person.ask("PUT", "/v1/users/me/notification-preferences", BOTH_WAYS))
    assert wanted == BOTH_WAYS | {"channels": ["email", "sms"]}
    order = body(await person.ask("POST", f"/v1/carts/{cart}/checkout", VISA), 201)
    assert (order["status"], order["total"]["amount"]) == ("placed", 7_500)
    assert [one["id"] for one in body(await person.ask("GET", "/v1/orders"))["items"]] == [order["id"]]
    assert "75.00 GBP" in await person.mail(f"Your order {order['number']} is confirmed")

    exported = (await person.ask("GET", "/v1/users/me/export")).text
    assert [word for word in (*WORDS, order["number"], guest["id"]) if word.lower() not in exported.lower()] == []

    # While an order is under way, a person stays; once it has arrived, nothing is left of them.
    problem(await person.ask("DELETE", "/v1/users/me", {"password": PASSWORD}), 409, "orders_open")
    shipment = body(await person.ask("POST", f"/v1/orders/{order['id']}/shipments", {}, **staff), 201)
    body(await person.ask("POST", f"/v1/shipments/{shipment['id']}/delivered", **staff))
    told = f"Your order {order['number']} is on its way"
    await person.mail(told)
    assert f"<pre>{told}.\n</pre>" in await person.mail(f"SMS: {told}.", to=PHONE)
    assert [subject for _, subject in await person.mails(PHONE)] == [f"SMS: {told}."]
    assert await traces.in_tables(world.shop.engine, WORDS) != set()
    assert body(await person.ask("DELETE", "/v1/users/me", {"password": PASSWORD}), 202) == {"status": "erasing"}
    await until_erased(world, user_id)

    assert await traces.in_tables(world.shop.engine, WORDS) == set()
    assert [await person.mails(to) for to in (EMAIL, PHONE)] == [[], []]
    assert traces.in_folder(stack.folder / "mail", WORDS) == set()
    assert traces.in_folder(stack.folder / "logs", WORDS) == set()
    for workflow in (order_workflow_id(UUID(order["id"])), erasure_workflow_id(user_id)):
        told = clear_text(await world.temporal.get_workflow_handle(workflow).fetch_history())
        assert [word for word in WORDS if word.lower() in told.lower()] == []
    problem(await person.ask("GET", "/v1/users/me"), 401, "unauthenticated")
    problem(await person.log_in(), 401, "unauthenticated")
    kept = body(await person.ask("GET", f"/v1/orders/{order['id']}", **staff))
    assert (kept["number"], kept["total"], kept["shipping_address"]) == (
        order["number"],
        order["total"],
        {"country": "GB"},
    )

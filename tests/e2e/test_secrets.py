"""Card numbers and secrets are in no table, no history and no log, whatever people type and peers quote."""

import asyncio
import mailbox
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from tests.api.answers import problem
from tests.support import traces
from tests.support.shopper import PERSON, Cart, Shopper
from tests.support.stack import RunningStack
from tests.support.world import World

CARDS = ("4242424242424242", "5555555555554444", "378282246310005", "6011111111111117")
PASSWORD = "a-long-word-that-only-one-person-knows"
QUOTED = "card 4242 4242 4242 4242 (cvc 987) of 5555-5555-5555-4444 with the key sk_test_everorder was refused"


@dataclass
class Known:
    """What must not be found anywhere: by what it is, so that a failure does not print it."""

    secrets: dict[str, str] = field(default_factory=dict)

    def left_in(self, said: str) -> set[str]:
        """Name what a text holds, however its blanks and dashes are set."""
        closed = re.sub(r"[\s\-]", "", said)
        return {
            name for name, secret in self.secrets.items() if secret in said or re.sub(r"[\s\-]", "", secret) in closed
        }


async def account_of(stack: RunningStack, shopper: Shopper) -> dict[str, Any]:
    """Register, follow the mail, log in and refresh once; return the tokens."""
    email = f"{uuid4().hex}@example.org"
    said = {"email": email, "password": PASSWORD}
    assert (await shopper.client.post("/v1/auth/register", json=said)).status_code == 202
    link = await mailed(stack, email)
    assert (await shopper.client.post("/v1/auth/verify-email", json={"token": link})).status_code == 204
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    first = (await shopper.client.post("/v1/auth/token", data=form)).json()
    renewed = await shopper.client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    return {"link": link, "first": first, "renewed": renewed.json()}


async def mailed(stack: RunningStack, email: str) -> str:
    """Wait for the mail with the link, and take the token out of it."""
    folder = mailbox.Maildir(stack.environment["EVERORDER_MAILBOX_DIR"], create=False)
    async with asyncio.timeout(30):
        while True:
            for message in folder:
                text = "".join(str(part.get_payload(decode=True)) for part in message.walk() if not part.is_multipart())
                if email in str(message["to"]) and "#token=" in text:
                    return re.split(r"[\s\\\"<&]", text.partition("#token=")[2])[0]
            await asyncio.sleep(0.1)


async def orders_that_go_wrong(shopper: Shopper, stack: RunningStack, sku: str) -> tuple[Cart, str]:
    """Place orders whose provider quotes what it should not; return one that waits for its buyer, and its secret."""
    faults: list[dict[str, object]] = [
        {"kind": "refused", "operation": "confirm", "code": "card_declined", "says": QUOTED},
        {"kind": "refused", "operation": "confirm", "code": "4242424242424242", "says": QUOTED},
        {"kind": "error_before", "operation": "confirm", "says": QUOTED},
        {"kind": "error_after", "operation": "capture", "says": QUOTED},
        {"kind": "declined", "operation": "confirm", "code": "sk_test_everorder 4242424242424242"},
    ]
    for fault in faults:
        cart = await shopper.cart(sku)
        await stack.sandbox.misbehave(**fault, times=1)  # type: ignore[arg-type]
        answer = await shopper.check_out(cart)
        assert answer.status_code in {201, 202, 402}, answer.text
        assert "4242" not in answer.text
    declined = await shopper.cart(sku)
    assert (await shopper.check_out(declined, card="pm_card_chargeDeclined")).status_code == 402
    waiting = await shopper.cart(sku)
    asked = problem(
        await shopper.check_out(waiting, card="pm_card_authenticationRequired"), 402, "payment_action_required"
    )
    return waiting, str(asked["client_secret"])


async def cards_typed_everywhere(shopper: Shopper, sku: str) -> None:
    """Type the number of a card wherever a buyer can: as a token, as a name, as a reason, in a path and a query."""
    cart, client = await shopper.cart(sku), shopper.client
    for number in CARDS:
        grouped = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        for token in (number, grouped, f"pm_{number}"):
            problem(await shopper.check_out(cart, card=token), 422, "validation_error")
        person = PERSON["shipping_address"] | {"name": grouped}  # type: ignore[operator]
        named = await client.patch(cart.path, json={"shipping_address": person}, headers=cart.headers)
        problem(named, 422, "validation_error")
        account = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "name": grouped}
        problem(await client.post("/v1/auth/register", json=account), 422, "validation_error")
        assert (await client.get(f"/v1/orders/{number}", headers=cart.headers)).status_code in {401, 404, 422}
    order = (await shopper.check_out(cart)).json()
    reason = {"reason": f"please refund my card {CARDS[0]}"}
    problem(
        await client.post(f"/v1/orders/{order['id']}/cancel", json=reason, headers=cart.headers),
        422,
        "validation_error",
    )
    another = {"payment_method": {"token": CARDS[1]}}
    problem(
        await client.post(f"/v1/orders/{order['id']}/payments", json=another, headers=cart.headers),
        422,
        "validation_error",
    )


async def test_card_numbers_and_secrets_are_written_nowhere(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    began = datetime.now(UTC)
    sku = await world.goods(stock=100)
    tokens = await account_of(stack, shopper)
    cart, client_secret = await orders_that_go_wrong(shopper, stack, sku)
    await cards_typed_everywhere(shopper, sku)
    operator = await stack.temporal(
        *("workflow", "update", "execute", "--workflow-id", f"order-{await order_of(world, cart)}", "--name", "pay"),
        *("--input", '{"payment_method": "4242424242424242"}'),
    )
    assert operator.code == 1
    assert await unknown_caller(shopper.client, stack) == 401

    wired = stack.environment
    known = Known(
        {f"card {number[-4:]}": number for number in CARDS}
        | {
            "key of the provider": "sk_test_everorder",
            "secret of events": wired["EVERORDER_STRIPE_WEBHOOK_SECRET"],
            "token at the SMS gateway": wired["EVERORDER_SMS_TOKEN"],
            "service token": stack.token,
            "secret of links and keys": wired["EVERORDER_SECRET"],
            "password of a person": PASSWORD,
            "link": tokens["link"],
            "access token": tokens["first"]["access_token"],
            "refresh token": tokens["first"]["refresh_token"],
            "access token, renewed": tokens["renewed"]["access_token"],
            "refresh token, renewed": tokens["renewed"]["refresh_token"],
            "secret of a cart": cart.token,
            "secret of the buyer's action": client_secret,
        }
    )
    assert len(known.secrets) == len({*known.secrets.values()}) == 17

    grouped = [re.sub(r"(?<=\d)(?=(?:\d{4})+$)", sign, number) for number in CARDS for sign in " -"]
    searched = [*known.secrets.values(), *grouped]
    assert await traces.in_tables(world.shop.engine, searched) == {"payment_operations.client_secret"}
    # A provider's token may be there, which also shows that the search finds something.
    assert await histories_with(world, Known({"token": "pm_card_chargeDeclined"}), began)
    assert await histories_with(world, known, began) == set()
    for file in (stack.folder / "logs").glob("*.log"):
        assert (file.name, known.left_in(file.read_text(errors="replace"))) == (file.name, set())


async def order_of(world: World, cart: Cart) -> str:
    [(order,)] = await world.shop.run("SELECT CAST(id AS text) FROM orders WHERE cart_id = :id", id=cart.id)
    return str(order)


async def unknown_caller(client: httpx2.AsyncClient, stack: RunningStack) -> int:
    """Ask with a service token that is nearly the right one."""
    answer = await client.get("/v1/orders", headers={"Authorization": f"Bearer {stack.token}x"})
    return answer.status_code


async def histories_with(world: World, known: Known, began: datetime) -> set[str]:
    """Name what the workflows hold that ran since then, and which."""
    found = set()
    async for execution in world.temporal.list_workflows(f"StartTime >= '{began:%Y-%m-%dT%H:%M:%SZ}'"):
        for name in known.left_in(await traces.said_by(world.temporal, execution)):
            found.add(f"{execution.id}: {name}")
    return found

"""Webhooks: signed as Stripe signs them, sent again until they are taken, and badly when told so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import stripe

from tests.support.sandbox import SandboxForTests

SECRET = "whsec_everorder_tests"
INTENTS = "/v1/payment_intents"


@dataclass
class Receiver:
    """A little web server that keeps what it is sent and answers with the statuses it was given, then with 200."""

    url: str = ""
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    arrived: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers["stripe-signature"], body))
                self.arrived.put_nowait(self.requests[-1])
                status = self.statuses.pop(0) if self.statuses else 200
                writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode())
        except asyncio.IncompleteReadError:
            writer.close()

    async def events(self, count: int) -> list[Any]:
        """Wait for the next deliveries, and return them as Stripe's own library reads and verifies them."""
        async with asyncio.timeout(10):
            arrived = [await self.arrived.get() for _ in range(count)]
        return [stripe.Webhook.construct_event(body, signature, SECRET) for signature, body in arrived]


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield receiver
    server.close()


async def pay(sandbox: SandboxForTests) -> str:
    form = {"amount": "2000", "currency": "gbp", "capture_method": "manual"}
    reference: str = (await sandbox.call("POST", INTENTS, form)).json()["id"]
    await sandbox.call("POST", f"{INTENTS}/{reference}/confirm", {"payment_method": "pm_card_visa"})
    await sandbox.call("POST", f"{INTENTS}/{reference}/capture")
    return reference


async def listen(sandbox: SandboxForTests, receiver: Receiver, **misbehaviour: object) -> None:
    await sandbox.control("POST", "webhook_endpoints", {"url": receiver.url, "secret": SECRET, **misbehaviour})


async def test_an_endpoint_is_sent_only_what_it_has_subscribed_to(sandbox: SandboxForTests, receiver: Receiver) -> None:
    await listen(sandbox, receiver, enabled_events=["payment_intent.succeeded", "charge.refunded"])
    reference = await pay(sandbox)
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})
    assert [event.type for event in await receiver.events(2)] == ["payment_intent.succeeded", "charge.refunded"]
    await asyncio.sleep(0.6)
    assert len(receiver.requests) == 2


async def test_life_of_a_payment_arrives_in_order_signed_and_once(sandbox: SandboxForTests, receiver: Receiver) -> None:
    await listen(sandbox, receiver)
    reference = await pay(sandbox)
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})
    events = await receiver.events(4)
    assert [event.type for event in events] == [
        *("payment_intent.created", "payment_intent.amount_capturable_updated"),
        *("payment_intent.succeeded", "charge.refunded"),
    ]
    assert [event.data.object.id for event in events[:3]] == [reference] * 3
    assert (events[3].data.object.payment_intent, events[3].data.object.amount_refunded) == (reference, 500)
    assert len({event.id for event in events}) == 4
    await asyncio.sleep(0.6)
    assert len(receiver.requests) == 4
    (endpoint,) = (await sandbox.control("GET", "webhook_endpoints")).json()["webhook_endpoints"]
    assert (endpoint["delivered"], endpoint["pending"]) == (4, 0)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("pm_card_visa_chargeDeclined", "payment_intent.payment_failed"),
        ("pm_card_authenticationRequired", "payment_intent.requires_action"),
    ],
)
async def test_payment_that_does_not_succeed_says_why(
    sandbox: SandboxForTests, receiver: Receiver, token: str, kind: str
) -> None:
    reference = (await sandbox.call("POST", INTENTS, {"amount": "2000", "currency": "gbp"})).json()["id"]
    await listen(sandbox, receiver)
    await sandbox.call("POST", f"{INTENTS}/{reference}/confirm", {"payment_method": token})
    await sandbox.call("POST", f"{INTENTS}/{reference}/cancel")
    events = await receiver.events(2)
    assert [event.type for event in events] == [kind, "payment_intent.canceled"]


async def test_wrong_secret_does_not_verify(sandbox: SandboxForTests, receiver: Receiver) -> None:
    await listen(sandbox, receiver)
    await pay(sandbox)
    await receiver.events(1)
    signature, body = receiver.requests[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")


async def test_event_that_was_not_taken_is_sent_again_with_its_id(sandbox: SandboxForTests, receiver: Receiver) -> None:
    receiver.statuses = [500, 200, 200, 200]
    await listen(sandbox, receiver)
    await pay(sandbox)
    events = await receiver.events(4)
    assert events[0].id == events[3].id
    assert [event.type for event in events[1:3]] == [
        *("payment_intent.amount_capturable_updated", "payment_intent.succeeded"),
    ]


async def test_every_event_comes_twice_when_told_so(sandbox: SandboxForTests, receiver: Receiver) -> None:
    await listen(sandbox, receiver, copies=2)
    await pay(sandbox)
    events = await receiver.events(6)
    assert [event.id for event in events[0::2]] == [event.id for event in events[1::2]]
    assert len({event.id for event in events}) == 3


async def test_events_come_late_and_newest_first_when_told_so(sandbox: SandboxForTests, receiver: Receiver) -> None:
    await listen(sandbox, receiver, order="newest_first", delay=0.7)
    await pay(sandbox)
    assert receiver.requests == []
    events = await receiver.events(3)
    assert [event.type for event in events] == [
        *("payment_intent.succeeded", "payment_intent.amount_capturable_updated", "payment_intent.created"),
    ]


async def test_nobody_listening_leaves_nothing_to_deliver(sandbox: SandboxForTests) -> None:
    await pay(sandbox)
    assert await sandbox.fetch("SELECT FROM webhook_deliveries") == []

"""The sandbox as any HTTP client sees it: objects, errors, headers and idempotency keys in Stripe's form."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from tests.support.sandbox import SandboxForTests

INTENTS = "/v1/payment_intents"
NEW = {"amount": "2000", "currency": "GBP", "capture_method": "manual", "metadata[order_id]": "o-1"}


async def created(sandbox: SandboxForTests, **form: str) -> str:
    response = await sandbox.call("POST", INTENTS, NEW | form)
    assert response.status_code == 200
    reference: str = response.json()["id"]
    return reference


async def authorised(sandbox: SandboxForTests) -> str:
    return await created(sandbox, payment_method="pm_card_visa", confirm="true")


async def test_created_intent_looks_like_stripes(sandbox: SandboxForTests) -> None:
    response = await sandbox.call("POST", INTENTS, NEW, key="created-" + uuid4().hex)
    body = response.json()
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["idempotency-key"].startswith("created-")
    assert "idempotent-replayed" not in response.headers
    assert body.pop("id").startswith("pi_")
    assert body.pop("client_secret").startswith("pi_")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "payment_intent",
        "amount": 2000,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "manual",
        "confirmation_method": "automatic",
        "currency": "gbp",
        "customer": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {"order_id": "o-1"},
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "setup_future_usage": None,
        "status": "requires_payment_method",
    }


async def test_declined_confirmation_is_402_with_the_intent_and_replays_as_402(sandbox: SandboxForTests) -> None:
    reference, key = await created(sandbox), uuid4().hex
    form = {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
    first = await sandbox.call("POST", f"{INTENTS}/{reference}/confirm", form, key=key)
    error = first.json()["error"]
    assert first.status_code == 402
    assert (error["type"], error["code"], error["decline_code"]) == (
        *("card_error", "card_declined", "insufficient_funds"),
    )
    assert error["payment_intent"]["id"] == reference
    assert error["payment_intent"]["status"] == "requires_payment_method"
    again = await sandbox.call("POST", f"{INTENTS}/{reference}/confirm", form, key=key)
    assert (again.status_code, again.json()) == (402, first.json())
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"payment_method": "pm_card_visa"}, "requires_confirmation"),
        ({"payment_method": "pm_card_visa", "confirm": "true"}, "requires_capture"),
        ({"payment_method": "pm_card_visa", "confirm": "true", "capture_method": "automatic"}, "succeeded"),
        ({"payment_method": "pm_card_authenticationRequired", "confirm": "true"}, "requires_action"),
    ],
)
async def test_create_with_a_card_goes_as_far_as_it_was_told(
    sandbox: SandboxForTests, form: dict[str, str], status: str
) -> None:
    body = (await sandbox.call("POST", INTENTS, NEW | form)).json()
    received = 2000 if status == "succeeded" else 0
    assert (body["status"], body["amount_received"]) == (status, received)


async def test_declined_create_keeps_the_intent(sandbox: SandboxForTests) -> None:
    form = NEW | {"payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    response = await sandbox.call("POST", INTENTS, form)
    reference = response.json()["error"]["payment_intent"]["id"]
    kept = (await sandbox.call("GET", f"{INTENTS}/{reference}")).json()
    assert (response.status_code, kept["status"]) == (402, "requires_payment_method")
    assert kept["last_payment_error"]["decline_code"] == "generic_decline"


async def test_failed_authentication_leaves_the_intent_without_a_payment(sandbox: SandboxForTests) -> None:
    reference = await created(sandbox, payment_method="pm_card_authenticationRequired", confirm="true")
    url = f"{sandbox.url}/_sandbox/payment_intents/{reference}/authenticate"
    async with httpx2.AsyncClient(trust_env=False) as client:
        response = await client.post(url, json={"passes": False})
    body = (await sandbox.call("GET", f"{INTENTS}/{reference}")).json()
    assert (response.status_code, body["status"]) == (402, "requires_payment_method")
    assert body["last_payment_error"]["code"] == "payment_intent_authentication_failure"


async def test_expanded_charge_carries_what_was_captured_and_refunded(sandbox: SandboxForTests) -> None:
    reference = await authorised(sandbox)
    await sandbox.call("POST", f"{INTENTS}/{reference}/capture", {"amount_to_capture": "2000"})
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})
    plain = (await sandbox.call("GET", f"{INTENTS}/{reference}")).json()
    body = (await sandbox.call("GET", f"{INTENTS}/{reference}", {"expand[]": "latest_charge"})).json()
    charge = body["latest_charge"]
    assert charge["id"] == plain["latest_charge"]
    assert (charge["amount_captured"], charge["amount_refunded"], charge["refunded"]) == (2000, 500, False)


async def test_refunds_are_listed_and_found(sandbox: SandboxForTests) -> None:
    reference = await authorised(sandbox)
    await sandbox.call("POST", f"{INTENTS}/{reference}/capture")
    first = (await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})).json()
    rest = (await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference})).json()
    assert (first["object"], first["amount"], first["status"], rest["amount"]) == ("refund", 500, "succeeded", 1500)
    listed = (await sandbox.call("GET", "/v1/refunds", {"payment_intent": reference, "limit": "1"})).json()
    assert (listed["data"], listed["has_more"]) == ([rest], True)
    assert (await sandbox.call("GET", f"/v1/refunds/{first['id']}")).json() == first
    assert (await sandbox.call("GET", "/v1/refunds/re_of_nobody")).status_code == 404


async def test_key_replays_the_answer_as_it_was_then(sandbox: SandboxForTests) -> None:
    key = uuid4().hex
    first = await sandbox.call("POST", INTENTS, NEW, key=key)
    await sandbox.call("POST", f"{INTENTS}/{first.json()['id']}/cancel")
    again = await sandbox.call("POST", INTENTS, NEW, key=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")


async def test_key_replays_a_refusal_even_when_the_state_would_allow_it_now(sandbox: SandboxForTests) -> None:
    reference, key = await created(sandbox), uuid4().hex
    path = f"{INTENTS}/{reference}/capture"
    first = await sandbox.call("POST", path, key=key)
    await sandbox.call("POST", f"{INTENTS}/{reference}/confirm", {"payment_method": "pm_card_visa"})
    again = await sandbox.call("POST", path, key=key)
    assert (first.status_code, again.status_code, again.json()) == (400, 400, first.json())


@pytest.mark.parametrize("path", [INTENTS, "other"])
async def test_key_of_another_request_is_400_idempotency_error(sandbox: SandboxForTests, path: str) -> None:
    reference, key = await created(sandbox), uuid4().hex
    await sandbox.call("POST", INTENTS, NEW, key=key)
    other = INTENTS if path == INTENTS else f"{INTENTS}/{reference}/cancel"
    form = NEW | {"amount": "2001"} if path == INTENTS else {}
    response = await sandbox.call("POST", other, form, key=key)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "idempotency_error")
    assert (await sandbox.call("GET", f"{INTENTS}/{reference}")).json()["status"] == "requires_payment_method"


async def test_requests_at_once_with_one_key_make_one_intent(sandbox: SandboxForTests) -> None:
    key, order_id = uuid4().hex, uuid4().hex
    form = NEW | {"metadata[order_id]": order_id}
    responses = await asyncio.gather(*(sandbox.call("POST", INTENTS, form, key=key) for _ in range(10)))
    assert {response.status_code for response in responses} <= {200, 409}
    assert {response.json()["error"]["code"] for response in responses if response.status_code == 409} <= {
        "idempotency_key_in_use"
    }
    assert len(await sandbox.fetch("SELECT FROM payment_intents WHERE order_id = $1", order_id)) == 1


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"amount": ""}, "parameter_invalid_integer", "amount"),
        ({"amount": "-1"}, "parameter_invalid_integer", "amount"),
        ({"amount": "0"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": "9" * 9}, "amount_too_large", "amount"),
        ({"amount": "9" * 5000}, "amount_too_large", "amount"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method": "pm_card_of_nobody"}, "resource_missing", "payment_method"),
    ],
)
async def test_wrong_parameter_is_400_with_its_name(
    sandbox: SandboxForTests, form: dict[str, str], code: str, param: str
) -> None:
    response = await sandbox.call("POST", INTENTS, NEW | form)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)


async def test_null_byte_is_400_rather_than_a_database_error(sandbox: SandboxForTests) -> None:
    response = await sandbox.call("POST", INTENTS, NEW | {"metadata[order_id]": "a\0b"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "You did not provide an API key."),
        ("Bearer sk_live_1", "Invalid API Key provided."),
        ("Basic !", "You did not provide an API key."),
    ],
)
async def test_request_without_a_test_key_is_401(sandbox: SandboxForTests, authorization: str, message: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{sandbox.url}{INTENTS}", headers={"authorization": authorization})
    assert (response.status_code, response.json()["error"]["message"]) == (401, message)


async def test_basic_authentication_works_as_with_curl(sandbox: SandboxForTests) -> None:
    async with httpx2.AsyncClient(trust_env=False, auth=("sk_test_1", "")) as client:
        assert (await client.get(f"{sandbox.url}{INTENTS}")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/payouts", "/v1/payment_intents/pi_1/steal", "/"])
async def test_unknown_url_is_404_in_stripes_form(sandbox: SandboxForTests, path: str) -> None:
    response = await sandbox.call("POST", path)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "invalid_request_error")


async def test_payment_method_types_end_with_the_api_version_that_dropped_them(sandbox: SandboxForTests) -> None:
    form = NEW | {"payment_method_types[0]": "card"}
    assert (await sandbox.call("POST", INTENTS, form)).status_code == 200
    headers = {"authorization": "Bearer sk_test_1", "stripe-version": "2026-10-28.endive"}
    async with httpx2.AsyncClient(trust_env=False, headers=headers) as client:
        response = await client.post(f"{sandbox.url}{INTENTS}", data=form)
    assert response.json()["error"]["code"] == "payment_method_types_no_longer_supported"


@pytest.mark.parametrize(
    "order", [{"kind": "meteor"}, {"kind": "slow", "rate": 2}, {"kind": "slow", "colour": "red"}, {}]
)
async def test_fault_that_makes_no_sense_is_400(sandbox: SandboxForTests, order: dict[str, object]) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        response = await client.post(f"{sandbox.url}/_sandbox/faults", json=order)
    assert response.status_code == 400
    assert (await sandbox.control("GET", "faults")).json() == {"faults": []}

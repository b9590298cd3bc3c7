"""Requests that meet at one payment: exactly one of those that exclude each other takes effect."""

import asyncio
from collections import Counter

import httpx2
import pytest

from tests.support.sandbox import SECRET_KEY, SandboxForTests

INTENTS = "/v1/payment_intents"


async def at_once(sandbox: SandboxForTests, requests: list[tuple[str, dict[str, str]]]) -> list[int]:
    headers = {"authorization": f"Bearer {SECRET_KEY}"}
    async with httpx2.AsyncClient(base_url=sandbox.url, headers=headers, trust_env=False) as client:
        responses = await asyncio.gather(*(client.post(path, data=form) for path, form in requests))
    return [response.status_code for response in responses]


async def intent(sandbox: SandboxForTests, **form: str) -> str:
    response = await sandbox.call("POST", INTENTS, {"amount": "2000", "currency": "gbp"} | form)
    reference: str = response.json()["id"]
    return reference


async def row(sandbox: SandboxForTests, reference: str) -> tuple[object, ...]:
    query = "SELECT status, captured_amount, refunded_amount FROM payment_intents WHERE id = $1"
    return tuple((await sandbox.fetch(query, reference))[0])


@pytest.mark.parametrize("first", ["capture", "cancel"])
async def test_fifty_captures_and_cancels_have_one_winner(sandbox: SandboxForTests, first: str) -> None:
    reference = await intent(sandbox, payment_method="pm_card_visa", confirm="true", capture_method="manual")
    verbs = ["capture", "cancel"] if first == "capture" else ["cancel", "capture"]
    requests: list[tuple[str, dict[str, str]]] = [(f"{INTENTS}/{reference}/{verb}", {}) for verb in verbs * 25]
    statuses = await at_once(sandbox, requests)
    assert Counter(statuses) == {200: 1, 400: 49}
    winner = requests[statuses.index(200)][0].rpartition("/")[2]
    expected = ("succeeded", 2000, 0) if winner == "capture" else ("canceled", 0, 0)
    assert await row(sandbox, reference) == expected


async def test_confirms_and_cancels_end_in_one_cancelled_intent_that_was_confirmed_at_most_once(
    sandbox: SandboxForTests,
) -> None:
    reference = await intent(sandbox, capture_method="manual")
    requests = [
        (f"{INTENTS}/{reference}/{verb}", {"payment_method": "pm_card_visa"} if verb == "confirm" else {})
        for verb in ["confirm", "cancel"] * 25
    ]
    statuses = await at_once(sandbox, requests)
    assert statuses[1::2].count(200) == 1  # an authorised intent may still be cancelled, a cancelled one not confirmed
    assert statuses[0::2].count(200) <= 1
    assert await row(sandbox, reference) == ("canceled", 0, 0)


async def test_refunds_at_once_never_exceed_what_was_captured(sandbox: SandboxForTests) -> None:
    reference = await intent(sandbox, payment_method="pm_card_visa", confirm="true")
    form = {"payment_intent": reference, "amount": "300"}
    statuses = await at_once(sandbox, [("/v1/refunds", form)] * 30)
    assert Counter(statuses) == {200: 6, 400: 24}
    assert await row(sandbox, reference) == ("succeeded", 2000, 1800)
    refunded = await sandbox.fetch("SELECT sum(amount), count(*) FROM refunds WHERE payment_intent = $1", reference)
    assert tuple(refunded[0]) == (1800, 6)


async def test_whole_refunds_at_once_refund_once(sandbox: SandboxForTests) -> None:
    reference = await intent(sandbox, payment_method="pm_card_visa", confirm="true")
    statuses = await at_once(sandbox, [("/v1/refunds", {"payment_intent": reference})] * 10)
    assert statuses.count(200) == 1
    assert await row(sandbox, reference) == ("succeeded", 2000, 2000)

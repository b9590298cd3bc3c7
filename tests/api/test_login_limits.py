"""Log-in limits: in the database, for accounts and addresses, and never a way to lock somebody out for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from domain.messages import AccountMessage
from models.columns import new_id
from settings import Settings
from tests.api import mailed
from tests.api.answers import body, problem
from tests.api.shops import open_shop
from tests.support.people import People
from tests.support.shop import Shop

ACCOUNT, ADDRESS = 5, 20
WRONG = "not-the-password-11"


def an_address() -> str:
    return f"2001:db8:{new_id().hex[-8:-4]}:{new_id().hex[-4:]}::1"


@asynccontextmanager
async def a_process(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    changed = {"login_tries_account": ACCOUNT, "login_tries_address": ADDRESS, "rate_limit_scale": 1_000_000}
    async with open_shop(settings, trusted_proxies="127.0.0.1", **changed) as client:
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with a_process(settings) as client:
        yield client


async def log_in(client: httpx2.AsyncClient, email: str, password: str, address: str) -> httpx2.Response:
    form = {"username": email, "password": password}
    return await client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": address})


async def statuses(client: httpx2.AsyncClient, tries: int, email: str, password: str, address: str) -> list[int]:
    return [(await log_in(client, email, password, address)).status_code for _ in range(tries)]


async def lets_time_pass(shop: Shop, interval: str) -> None:
    await shop.run(
        "UPDATE login_allowances SET full_at = full_at - CAST(:interval AS text)::interval", interval=interval
    )


async def test_wrong_passwords_run_out_and_come_back_with_time(
    client: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, where = await people.customer(), an_address()
    assert await statuses(client, ACCOUNT + 1, ada.email, WRONG, where) == [401] * ACCOUNT + [429]
    refused = await log_in(client, ada.email, ada.password, where)
    assert problem(refused, 429, "rate_limited")["detail"] == "too many tries"
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    await lets_time_pass(shop, "61 seconds")
    body(await log_in(client, ada.email, ada.password, where))


async def test_an_address_without_account_is_limited_the_same(client: httpx2.AsyncClient, people: People) -> None:
    ada, nobody = (await people.customer()).email, f"nobody-{new_id().hex}@example.com"
    refused = []
    for email in (ada, nobody):
        where = an_address()
        assert await statuses(client, ACCOUNT + 1, email, WRONG, where) == [401] * ACCOUNT + [429]
        refused.append(problem(await log_in(client, email, WRONG, where), 429, "rate_limited"))
    assert refused[0] == refused[1]


async def test_the_case_of_an_address_gives_no_more_tries(client: httpx2.AsyncClient, people: People) -> None:
    ada = await people.customer()
    assert await statuses(client, ACCOUNT, ada.email, WRONG, an_address()) == [401] * ACCOUNT
    assert await statuses(client, 1, ada.email.upper(), WRONG, an_address()) == [429]


async def test_processes_share_what_they_count(settings: Settings, people: People) -> None:
    ada = await people.customer()
    async with a_process(settings) as one, a_process(settings) as other:
        tries = [log_in(client, ada.email, WRONG, an_address()) for client in (one, other) for _ in range(10)]
        answers = await asyncio.gather(*tries)
    assert sorted(answer.status_code for answer in answers) == [401] * ACCOUNT + [429] * (20 - ACCOUNT)


async def test_who_logs_in_rightly_uses_nothing_up(client: httpx2.AsyncClient, people: People) -> None:
    ada, where = await people.customer(), an_address()
    assert await statuses(client, 3 * ACCOUNT, ada.email, ada.password, where) == [200] * 3 * ACCOUNT


async def test_a_stranger_can_not_lock_the_owner_out_of_where_they_log_in(
    client: httpx2.AsyncClient, people: People
) -> None:
    ada, home = await people.customer(), an_address()
    body(await log_in(client, ada.email, ada.password, home))
    assert 429 in await statuses(client, ACCOUNT + 1, ada.email, WRONG, an_address())

    body(await log_in(client, ada.email, ada.password, home))
    household = home.removesuffix("1") + "abcd"
    body(await log_in(client, ada.email, ada.password, household))
    problem(await log_in(client, ada.email, ada.password, an_address()), 429, "rate_limited")


async def test_a_known_address_has_no_more_tries_than_a_strange_one(client: httpx2.AsyncClient, people: People) -> None:
    ada, home = await people.customer(), an_address()
    body(await log_in(client, ada.email, ada.password, home))
    assert await statuses(client, ACCOUNT + 1, ada.email, WRONG, home) == [401] * ACCOUNT + [429]


async def test_who_resets_the_password_gets_in_while_strangers_are_locked_out(
    client: httpx2.AsyncClient, shop: Shop, settings: Settings, people: People
) -> None:
    ada, abroad = await people.customer(), an_address()
    assert 429 in await statuses(client, ACCOUNT + 1, ada.email, WRONG, an_address())
    problem(await log_in(client, ada.email, ada.password, abroad), 429, "rate_limited")

    headers = {"X-Forwarded-For": abroad}
    body(await client.post("/v1/auth/password-reset", json={"email": ada.email}, headers=headers), 202)
    [token] = await mailed.tokens(shop, settings, ada.email, AccountMessage.PASSWORD_RESET)
    content = {"token": token, "new_password": "an-orange-gondola-58"}
    answer = await client.post("/v1/auth/password-reset/confirm", json=content, headers=headers)
    assert answer.status_code == 204
    body(await log_in(client, ada.email, "an-orange-gondola-58", abroad))


async def test_an_address_that_tries_many_accounts_is_limited(client: httpx2.AsyncClient, people: People) -> None:
    where = an_address()
    answers = [await log_in(client, f"{n}-{new_id().hex}@example.com", WRONG, where) for n in range(2 * ADDRESS)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert ADDRESS - 5 <= len(refused) <= ADDRESS
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    ada = await people.customer()
    body(await log_in(client, ada.email, ada.password, an_address()))


async def test_a_thousand_log_ins_a_minute_are_limited(client: httpx2.AsyncClient, people: People) -> None:
    ada, where, hands = await people.customer(), an_address(), asyncio.Semaphore(50)

    async def guess() -> httpx2.Response:
        async with hands:
            return await log_in(client, ada.email, WRONG, where)

    answers = await asyncio.gather(*(guess() for _ in range(1_000)))
    found = [answer.status_code for answer in answers]
    assert (found.count(401), found.count(429)) == (ACCOUNT, 1_000 - ACCOUNT)


async def test_a_forwarded_address_that_nobody_vouches_for_gives_no_more_tries(
    settings: Settings, people: People
) -> None:
    ada = await people.customer()
    changed = {"login_tries_account": ACCOUNT, "login_tries_address": 2, "rate_limit_scale": 1_000_000}
    async with open_shop(settings, **changed) as client:
        answers = [await log_in(client, ada.email, ada.password, an_address()) for _ in range(12)]
    assert 429 in [answer.status_code for answer in answers]


async def test_mails_are_limited_by_address_too(client: httpx2.AsyncClient) -> None:
    headers = {"X-Forwarded-For": an_address()}
    asked = [
        await client.post(path, json={"email": f"{new_id().hex}@example.com", **more}, headers=headers)
        for _ in range(ADDRESS)
        for path, more in (
            ("/v1/auth/password-reset", {}),
            ("/v1/auth/register", {"password": "an-orange-gondola-58"}),
        )
    ]
    found = [answer.status_code for answer in asked]
    assert set(found) == {202, 429}
    assert found[:ADDRESS] == [202] * ADDRESS


async def test_the_current_password_can_not_be_guessed_with_a_stolen_token(
    client: httpx2.AsyncClient, people: People
) -> None:
    ada = await people.customer()
    content = {"current_password": WRONG, "new_password": "an-orange-gondola-58"}
    headers = ada.headers | {"X-Forwarded-For": an_address()}
    answers = [await client.post("/v1/users/me/password", json=content, headers=headers) for _ in range(ACCOUNT + 1)]
    assert [answer.status_code for answer in answers] == [403] * ACCOUNT + [429]


async def test_the_tables_of_limits_name_nobody(client: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada, where = await people.customer(), an_address()
    body(await log_in(client, ada.email, ada.password, where))
    await log_in(client, ada.email, WRONG, where)
    kept = str(await shop.run("SELECT key FROM login_allowances")) + str(
        await shop.run("SELECT account, address FROM login_origins")
    )
    assert ada.email not in kept
    assert "2001:db8" not in kept

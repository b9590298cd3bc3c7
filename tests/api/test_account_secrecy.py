"""Whether an e-mail address has an account: no status, no word and no time of an answer tells."""

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx2
import pytest

from models.columns import new_id
from settings import Settings
from tests.api.shops import open_shop
from tests.support.people import PASSWORD, People

FEW, MANY = 20, 200
APART = {FEW: 2.0, MANY: 1.25}
"""How far the medians of two series that were taken in turns may be apart. A hash that is left out makes it five."""

Ask = Callable[[httpx2.AsyncClient, str], Awaitable[httpx2.Response]]


async def log_in(client: httpx2.AsyncClient, email: str) -> httpx2.Response:
    return await client.post("/v1/auth/token", data={"username": email, "password": "not-the-password-11"})


async def register(client: httpx2.AsyncClient, email: str) -> httpx2.Response:
    return await client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})


async def ask_for_reset(client: httpx2.AsyncClient, email: str) -> httpx2.Response:
    return await client.post("/v1/auth/password-reset", json={"email": email})


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A shop whose passwords take a few milliseconds, so that one that is not compared would be seen."""
    unhindered = {"login_tries_account": 1_000_000, "login_tries_address": 1_000_000, "rate_limit_scale": 1_000_000}
    async with open_shop(settings, password_memory_kib=4_096, **unhindered) as client:
        yield client


def addresses() -> Iterator[str]:
    while True:
        yield f"someone-{new_id().hex[-12:]}@example.com"


@pytest.mark.parametrize("tries", [FEW, pytest.param(MANY, marks=pytest.mark.proof)])
@pytest.mark.parametrize("ask", [log_in, register, ask_for_reset])
async def test_answers_about_accounts_that_exist_and_that_do_not_are_alike(
    client: httpx2.AsyncClient, people: People, settings: Settings, ask: Ask, tries: int
) -> None:
    costly = People(people.sessions, settings.model_copy(update={"password_memory_kib": 4_096}))
    invented = addresses()
    known = [(await costly.customer(next(invented))).email for _ in range(tries)]
    answers: dict[bool, list[httpx2.Response]] = {True: [], False: []}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for email in known:
        for exists in (True, False):
            asked = email if exists else next(invented)
            began = time.perf_counter()
            answer = await ask(client, asked)
            seconds[exists].append(time.perf_counter() - began)
            answers[exists].append(answer)

    shown = {exists: {_shown(answer) for answer in series} for exists, series in answers.items()}
    assert len(shown[True]) == 1
    assert shown[True] == shown[False]
    ratio = statistics.median(seconds[True]) / statistics.median(seconds[False])
    assert 1 / APART[tries] < ratio < APART[tries]


def _shown(answer: httpx2.Response) -> tuple[int, str, tuple[str, ...]]:
    """Return what is there to be compared: all but the id of the request and the counters of the rate limit."""
    return answer.status_code, answer.text, tuple(sorted(answer.headers))

"""Rate limits: who is counted by what, what is told, and that limits that can not be counted limit nobody."""

import math
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.rate_limits import LIMITS, CallerClass, RateLimits, RouteClass, route_class
from settings import Settings
from tests.api.answers import problem
from tests.api.conftest import SERVICE_TOKEN
from tests.api.shops import open_shop
from tests.support.ports import free_port

FEW = 5 / LIMITS[RouteClass.READ].address
SERVICE = {"Authorization": f"Bearer {SERVICE_TOKEN}"}


@pytest.mark.parametrize(
    ("method", "path", "policy"),
    [
        ("GET", "/v1/products", RouteClass.READ),
        ("HEAD", "/v1/products", RouteClass.READ),
        ("GET", "/nowhere", RouteClass.READ),
        ("POST", "/v1/carts", RouteClass.WRITE),
        ("PUT", "/v1/carts/1/lines/A", RouteClass.WRITE),
        ("BREW", "/v1/carts", RouteClass.WRITE),
        ("POST", "/v1/carts/1/checkout", RouteClass.CHECKOUT),
        ("POST", "/v1/orders/1/payments", RouteClass.CHECKOUT),
        ("POST", "/v1/orders/1/cancel", RouteClass.WRITE),
        ("POST", "/v1/auth/token", RouteClass.AUTH),
        ("POST", "/v1/webhooks/stripe", RouteClass.WEBHOOK),
        ("GET", "/readyz", None),
        ("GET", "/healthz", None),
    ],
)
def test_each_route_counts_for_one_limit(method: str, path: str, policy: RouteClass | None) -> None:
    assert route_class(method, path) is policy


async def test_whoever_asks_too_much_is_told_when_to_come_back(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=FEW) as client:
        for left in (4, 3, 2, 1, 0):
            answer = await client.get("/v1/categories")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"read";q=5;w=60'
            assert re.fullmatch(rf'"read";r={left};t=[0-9]+', answer.headers["ratelimit"])
        refused = await client.get("/v1/categories")
        problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"read";r=0;t=')
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post("/v1/carts")).status_code == 201, "another class has another limit"


async def test_what_does_not_reach_an_endpoint_counts_as_well(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=FEW) as client:
        for _ in range(math.ceil(LIMITS[RouteClass.WRITE].address * FEW)):
            problem(
                await client.post("/v1/carts", content=b"{", headers={"Content-Type": "application/json"}),
                422,
                "validation_error",
            )
        problem(await client.post("/v1/nowhere"), 429, "rate_limited")


async def test_a_made_up_token_or_forwarded_address_is_no_way_round(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=FEW) as client:
        for number in range(5):
            made_up = {"Authorization": f"Bearer made-up-{number}", "X-Forwarded-For": f"198.51.100.{number}"}
            problem(await client.get("/v1/stock/SKU", headers=made_up), 401, "unauthenticated")
        problem(await client.get("/v1/stock/SKU", headers={"Authorization": "Bearer another"}), 429, "rate_limited")
        assert (await client.get("/v1/locations", headers=SERVICE)).status_code == 200, (
            "a token that is one counts apart"
        )


async def test_clients_of_a_trusted_proxy_are_counted_one_by_one(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=FEW, trusted_proxies="127.0.0.0/8") as client:

        async def asked_by(address: str) -> int:
            return (await client.get("/v1/categories", headers={"X-Forwarded-For": f"1.1.1.1, {address}"})).status_code

        assert [await asked_by("198.51.100.7") for _ in range(6)] == [200] * 5 + [429]
        assert await asked_by("198.51.100.8") == 200
        assert [await asked_by(f"2001:db8::{number}") for number in range(6)] == [200] * 5 + [429], "one subscriber"


async def test_a_service_has_limits_of_its_own_that_no_import_reaches(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=1) as client:
        policy = (await client.get("/v1/locations", headers=SERVICE)).headers["ratelimit-policy"]
    assert policy == '"read";q=120000;w=60'


async def test_limits_that_are_off_are_neither_counted_nor_told(settings: Settings) -> None:
    async with open_shop(settings, rate_limit_scale=0) as client:
        answers = [await client.get("/v1/categories") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)


# Redis -----------------------------------------------------------------------------------------------------------


@contextmanager
def running_redis(port: int, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(port)
            yield process
        finally:
            process.kill()


def _wait_until_it_listens(port: int) -> None:
    limit = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < limit, "redis does not start"
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def port() -> int:
    return free_port()


async def test_processes_that_share_a_redis_count_together(settings: Settings, tmp_path: Path, port: int) -> None:
    changed = {"rate_limit_scale": FEW, "redis_url": f"redis://127.0.0.1:{port}"}
    with running_redis(port, tmp_path):
        async with open_shop(settings, **changed) as first, open_shop(settings, **changed) as second:
            answers = [await client.get("/v1/categories") for _ in range(3) for client in (first, second)]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]
            assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_redis_that_dies_limits_nobody_and_costs_one_line_a_pause(
    settings: Settings, tmp_path: Path, port: int
) -> None:
    changed = {"rate_limit_scale": FEW, "redis_url": f"redis://127.0.0.1:{port}"}
    async with open_shop(settings, **changed) as client:
        with running_redis(port, tmp_path):
            assert "ratelimit" in (await client.get("/v1/categories")).headers
        with capture_logs() as logs:
            began = time.monotonic()
            answers = [await client.get("/v1/categories") for _ in range(20)]
            took = time.monotonic() - began
    assert {answer.status_code for answer in answers} == {200}
    lines = [log for log in logs if log["event"] == "rate_limits_unavailable"]
    assert 1 <= len(lines) <= 1 + took


async def test_a_redis_that_hangs_limits_nobody_and_keeps_nobody_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = RateLimits(scale=1, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert await limits.count(RouteClass.READ, CallerClass.ADDRESS, "198.51.100.7") is None
        assert await limits.count(RouteClass.READ, CallerClass.ADDRESS, "198.51.100.7") is None
        assert time.monotonic() - began < 3
        await limits.aclose()


def test_the_table_limits_log_ins_most() -> None:
    for caller in CallerClass:
        assert LIMITS[RouteClass.AUTH].of(caller) == min(rates.of(caller) for rates in LIMITS.values())


def test_a_redis_that_has_no_address_is_told(settings: Settings) -> None:
    with pytest.raises(ValueError, match="redis_url"):
        Settings.model_validate({"DATABASE_URL": settings.database_url, "redis_url": "127.0.0.1:6379"})

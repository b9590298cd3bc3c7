"""The sandbox as a process: killed, stopped, started before its database, and cut off from it."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SandboxForTests, running_sandbox

INTENTS = "/v1/payment_intents"
NEW = {"amount": "2000", "currency": "gbp", "payment_method": "pm_card_visa", "confirm": "true"}


class Cable:
    """A way to PostgreSQL that can be cut: the address of its socket is a link that comes and goes."""

    def __init__(self, url: str, link: Path) -> None:
        self._direct = url
        self._link = link
        self._target = parse_qs(urlsplit(url).query)["host"][0]
        self.url = url.replace(self._target, str(link))

    def plug(self) -> None:
        self._link.symlink_to(self._target)

    async def cut(self) -> None:
        self._link.unlink()
        connection = await asyncpg.connect(self._direct, database="postgres")
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                urlsplit(self._direct).path[1:],
            )
        finally:
            await connection.close()


@pytest.fixture
def cable(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Cable:
    url = postgres.url(f"everorder_sandbox_{uuid4().hex[:8]}")
    return Cable(url, tmp_path_factory.mktemp("c") / "s")


async def test_killed_sandbox_comes_back_with_its_payments_keys_and_faults(cable: Cable) -> None:
    cable.plug()
    with running_sandbox(cable.url) as sandbox:
        first = await sandbox.call("POST", INTENTS, NEW, key="k")
        await sandbox.misbehave("error_before", operation="refund", times=3)
        assert sandbox.stop(signal.SIGKILL) == -signal.SIGKILL
        sandbox.start()
        again = await sandbox.call("POST", INTENTS, NEW, key="k")
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        (fault,) = (await sandbox.control("GET", "faults")).json()["faults"]
        assert (fault["kind"], fault["operation"], fault["remaining"]) == ("error_before", "refund", 3)
        assert len(await sandbox.fetch("SELECT FROM payment_intents")) == 1


async def test_terminated_sandbox_finishes_the_request_under_way(cable: Cable) -> None:
    cable.plug()
    with running_sandbox(cable.url) as sandbox:
        await sandbox.misbehave("slow", operation="create", delay=0.5)
        slow = asyncio.create_task(sandbox.call("POST", INTENTS, NEW))
        await asyncio.sleep(0.2)
        os.kill(sandbox.pid, signal.SIGTERM)
        assert (await slow).json()["status"] == "succeeded"


async def test_sandbox_waits_for_its_database_at_the_start(cable: Cable) -> None:
    plugging = threading.Timer(1.0, cable.plug)
    plugging.start()
    with running_sandbox(cable.url) as sandbox:
        assert (await sandbox.call("POST", INTENTS, NEW)).status_code == 200
    plugging.join()


async def test_sandbox_answers_500_while_its_database_is_gone_and_recovers(cable: Cable) -> None:
    cable.plug()
    with running_sandbox(cable.url) as sandbox:
        await cable.cut()
        response = await sandbox.call("POST", INTENTS, NEW)
        assert (response.status_code, response.json()["error"]["type"]) == (500, "api_error")
        cable.plug()
        assert (await sandbox.call("POST", INTENTS, NEW)).status_code == 200


async def test_rules_about_money_are_constraints(sandbox: SandboxForTests) -> None:
    reference = (await sandbox.call("POST", INTENTS, NEW)).json()["id"]
    for change in ("captured_amount = 2001", "refunded_amount = 2001", "refunded_amount = -1", "status = 'canceled'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await sandbox.fetch(f"UPDATE payment_intents SET {change} WHERE id = $1", reference)

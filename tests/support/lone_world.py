"""A world with a database and a payment server of its own, so that an audit of it sees nothing else."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from temporalio.client import Client

from contracts.orders import PlaceOrder, order_workflow_id
from db.engine import create_engine
from domain.order_states import OrderStatus
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, running_sandbox
from tests.support.shop import Shop
from tests.support.world import VISA, World, open_world


@dataclass
class LoneWorld:
    """A world and the addresses of its servers."""

    world: World
    sandbox: SandboxForTests
    database_url: str

    async def placed(self) -> PlaceOrder:
        """Place an order of two at 10.00 GBP; its workers are gone afterwards."""
        order = self.world.order_of(await self.world.cart((await self.world.goods(), 2)))
        async with self.world.working():
            assert (await self.world.place(order)).status is OrderStatus.PLACED
        return order

    async def terminate(self, order_id: UUID) -> None:
        """End an order's workflow as an operator by mistake, or a lost store, would."""
        await self.world.temporal.get_workflow_handle(order_workflow_id(order_id)).terminate()

    async def taken(
        self,
        order_id: UUID | None,
        *,
        amount: int = 2000,
        capture: str = "automatic",
        key: str = "",
        installation: str = "",
    ) -> str:
        """Take money behind the backend's back, or only reserve it; return the payment's id.

        Without an order it is money of another shop on the same account.
        """
        form = {
            "amount": str(amount),
            "currency": "gbp",
            "confirm": "true",
            "payment_method": VISA,
            "capture_method": capture,
        }
        if order_id is not None:
            form |= {
                "metadata[order_id]": str(order_id),
                "metadata[key]": key or f"{order_id}:authorise:1",
                "metadata[installation]": installation or await self.world.installation(),
            }
        answer = await self.sandbox.call("POST", "/v1/payment_intents", form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program talk to these servers."""
        return {
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": self.world.temporal.service_client.config.target_host,
            "EVERORDER_STRIPE_API_BASE": self.sandbox.url,
            "EVERORDER_STRIPE_API_KEY": SECRET_KEY,
            "COLUMNS": "200",
        }

    async def everorder(self, *arguments: str) -> tuple[int | None, str]:
        """Run the command against these servers; return its exit status and what it said."""
        environment = os.environ | self.environment
        command = [sys.executable, "-P", "-m", "cli.main", *arguments]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()


@asynccontextmanager
async def lone_world(postgres: PostgresForTests, temporal: Client) -> AsyncIterator[LoneWorld]:
    """Open a world, and end its workflows with it."""
    database_url = postgres.migrated()
    engine = create_engine(database_url, pool_size=30)
    with running_sandbox(postgres.url(f"sandbox_{uuid4().hex[:12]}")) as sandbox:
        async with open_world(Shop(engine), temporal, sandbox.url, SECRET_KEY) as world:
            lone = LoneWorld(world, sandbox, database_url)
            yield lone
            async for order_id in world.client.running():
                if await world.client.is_running(order_id):
                    await lone.terminate(order_id)
    await engine.dispose()

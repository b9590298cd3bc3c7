"""Record the histories that the replay test replays: `python -m tests.replay.record [story ...]`.

A recorded history is kept for as long as an order that began with it may be open. A change to the sequence of commands
goes behind `workflow.patched`, and the history of the changed workflow is recorded beside the old one, not over it.
"""

import asyncio
import os
import sys
from pathlib import Path

from db.engine import create_engine
from tests.support.postgres import running_postgres
from tests.support.sandbox import SECRET_KEY, running_sandbox
from tests.support.shop import Shop
from tests.support.stories import STORIES
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import open_world

HISTORIES = Path(__file__).parent / "histories"


async def record(names: list[str], database_url: str, sandbox_url: str) -> None:
    engine = create_engine(database_url)
    async with (
        running_temporal() as temporal,
        open_world(Shop(engine), await plain_client(temporal), sandbox_url, SECRET_KEY) as world,
    ):
        for name in names:
            order = await STORIES[name](world)
            history = await world.history(order.order_id)
            (HISTORIES / f"{name}.json").write_text(history.to_json() + "\n")
            print(f"{name}: {len(history.events)} events")  # noqa: T201 - it is a command
    await engine.dispose()


if __name__ == "__main__":
    with running_postgres() as postgres, running_sandbox(postgres.url("sandbox")) as sandbox:
        asyncio.run(record(sys.argv[1:] or list(STORIES), postgres.migrated(), sandbox.url))
        sys.stdout.flush()
    # The embedded server's thread can outlive the interpreter (sdk-python#300).
    os._exit(0)

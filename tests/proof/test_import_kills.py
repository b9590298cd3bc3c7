"""An upload into a whole stack whose worker is killed while it reads, and again while it writes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.shopify import content, plain
from tests.support.stack import running_stack

pytestmark = [pytest.mark.proof, pytest.mark.timeout(400)]

PRODUCTS = 6_000
WORKER = "worker-inventory"
Import = dict[str, Any]


async def seen(client: httpx2.AsyncClient, path: str, until: Callable[[Import], bool]) -> Import:
    """Look at an import until it is as wanted."""
    while True:
        shown: Import = (await client.get(path)).json()
        if until(shown):
            return shown
        assert shown["state"] != "refused"
        await asyncio.sleep(0.02)


async def test_an_import_whose_worker_is_killed_while_it_reads_and_while_it_writes_is_done_once(tmp_path: Path) -> None:
    file = content(*(plain(number, Published="true") for number in range(PRODUCTS)))
    with running_stack(tmp_path / "data") as stack:
        headers = {"Authorization": f"Bearer {stack.token}"}
        async with httpx2.AsyncClient(base_url=stack.api_url, headers=headers) as client:
            sent = await client.post("/v1/imports", content=file, headers={"Content-Type": "text/csv"})
            assert sent.status_code == 202
            path = sent.headers["Location"]

            read = await seen(client, path, lambda shown: shown["read_bytes"] > 0)
            await stack.kill(WORKER)
            assert read["state"] == "reading"
            written = await seen(client, path, lambda shown: shown["applied"] > 0)
            await stack.kill(WORKER)
            assert written["state"] == "applying"
            mine = "SELECT count(*)::int FROM products WHERE slug LIKE 'thing-%'"
            assert await stack.rows(mine) == [(0,)]

            done = await seen(client, path, lambda shown: shown["state"] == "done")
        assert done["outcome"]["new_products"] == PRODUCTS
        assert await stack.rows(mine + " AND version = 1") == [(PRODUCTS,)]
        assert await stack.rows(
            "SELECT count(*)::int, sum(delta)::int FROM stock_movements WHERE note LIKE 'import %'"
        ) == [(PRODUCTS * 4 // 5, PRODUCTS * 2)]
        assert await stack.rows("SELECT count(*)::int FROM price_changes WHERE sku LIKE 'THING-%'") == [(PRODUCTS,)]
        assert await stack.broken() == {}

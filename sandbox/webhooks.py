"""Signed webhooks, sent in the background until they are taken; told so, twice, late or newest first."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import time
from datetime import timedelta
from typing import Literal

import asyncpg
import httpx2
from pydantic import BaseModel, ConfigDict, Field

from sandbox.database import FAILURES
from sandbox.objects import event

_log = logging.getLogger("sandbox")
_IDLE = 0.5
_LONGEST_PAUSE = 60

_DUE = """
    SELECT delivery.id, event_id, type, snapshot, attempts, created_at, url, secret
    FROM webhook_deliveries AS delivery JOIN webhook_endpoints AS endpoint ON endpoint.id = endpoint_id
        JOIN events ON events.id = event_id
    WHERE delivered_at IS NULL AND (due_at <= clock_timestamp() OR newest_first AND attempts = 0 AND EXISTS (
        SELECT FROM webhook_deliveries AS ripe
        WHERE ripe.endpoint_id = endpoint.id AND ripe.delivered_at IS NULL AND ripe.due_at <= clock_timestamp()))
    ORDER BY CASE WHEN newest_first THEN -delivery.id ELSE delivery.id END LIMIT 100
"""


class EndpointOrder(BaseModel):
    """Ask for events to be sent to `url`, signed with `secret`: for those of some types, or for all.

    Misbehaviour: `copies` of each event, a `delay` in seconds before it is sent, and `newest_first`, which collects
    events for the delay (half a second when there is none) and sends them in the wrong order.
    """

    model_config = ConfigDict(extra="forbid")

    url: str = Field(pattern="^https?://")
    secret: str = Field(min_length=1)
    enabled_events: list[str] | None = Field(default=None, min_length=1)
    copies: int = Field(default=1, ge=1, le=10)
    delay: float = Field(default=0.0, ge=0, le=3600)
    order: Literal["oldest_first", "newest_first"] = "oldest_first"


class Courier:
    """Delivers events, one after the other, and tries again what was not taken (1, 2, 4, … 60 seconds later)."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._awake = asyncio.Event()
        self._endpoints = 0

    def wake(self) -> None:
        """Look for something to deliver."""
        if self._endpoints:
            self._awake.set()

    async def register(self, order: EndpointOrder) -> None:
        """Send events to an address from now on, or change how they are sent there."""
        newest_first = order.order == "newest_first"
        await self._pool.execute(
            """
            INSERT INTO webhook_endpoints (url, secret, copies, delay, newest_first, enabled_events)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (url) DO UPDATE SET secret = excluded.secret, copies = excluded.copies,
                delay = excluded.delay, newest_first = excluded.newest_first, enabled_events = excluded.enabled_events
            """,
            *(order.url, order.secret, order.copies),
            timedelta(seconds=order.delay or (_IDLE if newest_first else 0)),
            newest_first,
            order.enabled_events,
        )
        await self.load()

    async def load(self) -> None:
        """Look whether there is anyone to send events to."""
        self._endpoints = await self._pool.fetchval("SELECT count(*) FROM webhook_endpoints")
        self._awake.set()

    async def unregister(self) -> None:
        """Send no events to anyone any more; those under way are forgotten."""
        await self._pool.execute("DELETE FROM webhook_endpoints")
        await self.load()

    async def endpoints(self) -> list[dict[str, object]]:
        """List the addresses, each with how many deliveries it took and how many are under way."""
        rows = await self._pool.fetch(
            """
            SELECT url, copies, extract(epoch FROM delay)::float8 AS delay, newest_first, enabled_events,
                count(delivered_at) AS delivered, count(event_id) - count(delivered_at) AS pending
            FROM webhook_endpoints AS endpoint LEFT JOIN webhook_deliveries ON endpoint_id = endpoint.id
            GROUP BY endpoint.id ORDER BY endpoint.id
            """
        )
        return [dict(row) for row in rows]

    async def run(self) -> None:
        """Deliver until cancelled. Rests while nobody is registered."""
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                self._awake.clear()
                try:
                    delivered = await self._round(client)
                except FAILURES:
                    _log.exception("the database failed")
                    delivered = 0
                if not delivered:
                    await self._rest()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):  # then something that was late may be due
            await asyncio.wait_for(self._awake.wait(), _IDLE if self._endpoints else None)

    async def _round(self, client: httpx2.AsyncClient) -> int:
        if not self._endpoints:
            return 0
        due = await self._pool.fetch(_DUE)
        for delivery in due:
            taken = await _taken(client, delivery)
            await self._settle(delivery, taken=taken)
        return len(due)

    async def _settle(self, delivery: asyncpg.Record, *, taken: bool) -> None:
        pause = timedelta(seconds=min(2 ** delivery["attempts"], _LONGEST_PAUSE))
        await self._pool.execute(
            """
            UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = clock_timestamp() + $2,
                delivered_at = CASE WHEN $3 THEN clock_timestamp() END
            WHERE id = $1
            """,
            delivery["id"],
            pause,
            taken,
        )


def signature(secret: str, payload: bytes, timestamp: int) -> str:
    """Sign a payload for the header `Stripe-Signature`, as https://docs.stripe.com/webhooks describes it."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"


async def _taken(client: httpx2.AsyncClient, delivery: asyncpg.Record) -> bool:
    snapshot = json.loads(delivery["snapshot"])
    payload = json.dumps(event(delivery["event_id"], delivery["type"], snapshot, delivery["created_at"])).encode()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": signature(delivery["secret"], payload, int(time.time())),
    }
    try:
        response = await client.post(delivery["url"], content=payload, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
    return response.is_success

"""The one way in which the sandbox changes anything: a single SQL statement that is whole or has not happened."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import asyncpg

from sandbox.calls import Call
from sandbox.errors import StripeError
from sandbox.objects import IntentRow, Json, RefundRow


@dataclass(frozen=True, slots=True)
class Stored:
    """What a statement left behind, or what an earlier one left under the same idempotency key."""

    status: int
    snapshot: Any
    replayed: bool


def statement(change: str, *, refund: str = "") -> str:
    """Wrap a change of `payment_intents` so that it honours idempotency keys and tells the webhook endpoints.

    $1 to $4 are the key, the request's hash, the status of the answer and the event's id; the change has $5 onward and
    must not happen when `known` has a row. `refund` inserts into `refunds` from `intent`, and is then what is answered.
    """
    return f"""
    WITH known AS (SELECT request_hash, status, snapshot FROM idempotency_keys WHERE key = $1::text),
    intent AS ({change}),
    {f"refund AS ({refund})," if refund else ""}
    answer AS (SELECT row_to_json(made) AS snapshot FROM {"refund" if refund else "intent"} AS made),
    remembered AS (
        INSERT INTO idempotency_keys (key, request_hash, status, snapshot)
        SELECT $1::text, $2::text, $3::int, snapshot FROM answer WHERE $1::text IS NOT NULL),
    announced AS (
        INSERT INTO webhook_deliveries (endpoint_id, event_id, snapshot, due_at)
        SELECT endpoint.id, $4::text, row_to_json(intent), clock_timestamp() + endpoint.delay
        FROM intent, webhook_endpoints AS endpoint, generate_series(1, endpoint.copies))
    SELECT request_hash, status, snapshot, TRUE AS replayed FROM known
    UNION ALL SELECT $2::text, $3::int, snapshot, FALSE FROM answer
    """


class Store:
    """Payment intents, refunds and idempotency keys. Every method is one statement."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def change(self, sql: str, call: Call, status: int, *arguments: object) -> Stored | None:
        """Run a `statement`: what it made, what its key had made before, or nothing when its condition did not hold.

        Raises:
            StripeError: the key was used with other parameters, or is in use elsewhere.
        """
        event_id = f"evt_{secrets.token_hex(12)}"
        try:
            row = await self._pool.fetchrow(sql, call.key, call.request_hash, status, event_id, *arguments)
        except asyncpg.UniqueViolationError:
            raise key_in_use() from None
        if row is None:
            return None
        if row["request_hash"] != call.request_hash:
            raise _key_reused(call.key)
        return Stored(row["status"], json.loads(row["snapshot"]), row["replayed"])

    async def remember(self, call: Call, status: int, body: Json) -> None:
        """Store an answer under the call's key, in place of what is there."""
        await self._pool.execute(
            """
            INSERT INTO idempotency_keys (key, request_hash, status, snapshot) SELECT $1, $2, $3, $4
            WHERE $1::text IS NOT NULL
            ON CONFLICT (key) DO UPDATE SET status = excluded.status, snapshot = excluded.snapshot
            """,
            call.key,
            call.request_hash,
            status,
            json.dumps(body),
        )

    async def forget(self, call: Call) -> None:
        """Forget the call's key, as a provider does after a day or after an accident."""
        await self._pool.execute("DELETE FROM idempotency_keys WHERE key = $1", call.key)

    async def intent(self, reference: str) -> IntentRow | None:
        """Look a payment intent up."""
        row = await self._pool.fetchval("SELECT row_to_json(p) FROM payment_intents AS p WHERE id = $1", reference)
        return json.loads(row) if row else None

    async def refund(self, reference: str) -> RefundRow | None:
        """Look a refund up."""
        row = await self._pool.fetchval("SELECT row_to_json(r) FROM refunds AS r WHERE id = $1", reference)
        return json.loads(row) if row else None

    async def intents(self, after: str | None, limit: int) -> list[IntentRow]:
        """List payment intents, newest first, from behind the one with the id `after`."""
        rows = await self._pool.fetch(
            """
            SELECT row_to_json(p) FROM payment_intents AS p
            WHERE $1::text IS NULL OR seq < (SELECT seq FROM payment_intents WHERE id = $1)
            ORDER BY seq DESC LIMIT $2
            """,
            after,
            limit,
        )
        return [json.loads(row[0]) for row in rows]

    async def refunds(self, payment_intent: str | None, after: str | None, limit: int) -> list[RefundRow]:
        """List refunds, of one payment intent or of all, newest first."""
        rows = await self._pool.fetch(
            """
            SELECT row_to_json(r) FROM refunds AS r
            WHERE ($1::text IS NULL OR payment_intent = $1)
                AND ($2::text IS NULL OR seq < (SELECT seq FROM refunds WHERE id = $2))
            ORDER BY seq DESC LIMIT $3
            """,
            payment_intent,
            after,
            limit,
        )
        return [json.loads(row[0]) for row in rows]


def key_in_use() -> StripeError:
    """Refuse a second request whose key is still at work."""
    return StripeError(
        409,
        "There is currently another in-progress request using this Idempotent Key.",
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )


def _key_reused(key: str | None) -> StripeError:
    return StripeError(
        400,
        f"Keys for idempotent requests can only be used with the same parameters they were first used with ('{key}').",
        kind="idempotency_error",
    )

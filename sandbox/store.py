"""The one way in which the sandbox changes anything: a single SQL statement that is whole or has not happened."""

import json
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


EVENT_OF_INTENT = """
    SELECT CASE status
        WHEN 'requires_payment_method' THEN CASE WHEN last_payment_error IS NULL THEN 'payment_intent.created'
            ELSE 'payment_intent.payment_failed' END
        WHEN 'requires_confirmation' THEN 'payment_intent.created'
        WHEN 'requires_action' THEN 'payment_intent.requires_action'
        WHEN 'requires_capture' THEN 'payment_intent.amount_capturable_updated'
        WHEN 'canceled' THEN 'payment_intent.canceled'
        ELSE 'payment_intent.succeeded' END, row_to_json(intent)
    FROM intent"""
"""What has happened to a payment intent, by its row as it is afterwards."""


def announcement(events: str) -> str:
    """Write CTEs that keep the events which a query finds (type and snapshot), and send them to whoever wants them."""
    return f"""
    happened AS (INSERT INTO events (type, snapshot) {events} RETURNING id, type),
    announced AS (
        INSERT INTO webhook_deliveries (endpoint_id, event_id, due_at)
        SELECT endpoint.id, happened.id, clock_timestamp() + endpoint.delay
        FROM happened, webhook_endpoints AS endpoint, generate_series(1, endpoint.copies)
        WHERE endpoint.enabled_events IS NULL OR happened.type = ANY (endpoint.enabled_events))"""


def statement(*, answer: str = "intent", events: str = EVENT_OF_INTENT, **steps: str) -> str:
    """Write a change as one statement that honours idempotency keys and tells the webhook endpoints.

    $1 to $3 are the key, the request's hash and the status of the answer; the steps, CTEs by name, have $4 onward. The
    first one must not happen when `known` has a row, and the others are made of it. `answer` names the one whose row is
    answered, `events` is a query for what has happened, empty for nothing that anyone is told.
    """
    return f"""
    WITH known AS (SELECT request_hash, status, snapshot FROM idempotency_keys WHERE key = $1::text),
    {"".join(f"{name} AS ({step})," for name, step in steps.items())}
    {f"{announcement(events)}," if events else ""}
    answer AS (SELECT row_to_json({answer}) AS snapshot FROM {answer}),
    remembered AS (
        INSERT INTO idempotency_keys (key, request_hash, status, snapshot)
        SELECT $1::text, $2::text, $3::int, snapshot FROM answer WHERE $1::text IS NOT NULL)
    SELECT request_hash, status, snapshot, TRUE AS replayed FROM known
    UNION ALL SELECT $2::text, $3::int, snapshot, FALSE FROM answer
    """


class Store:
    """What the sandbox knows. Every method is one statement."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def change(self, sql: str, call: Call, status: int, *arguments: object) -> Stored | None:
        """Run a `statement`: what it made, what its key had made before, or nothing when its condition did not hold.

        Raises:
            StripeError: the key was used with other parameters, or is in use elsewhere.
        """
        try:
            row = await self._pool.fetchrow(sql, call.key, call.request_hash, status, *arguments)
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

    async def row(self, table: str, reference: str) -> Any:
        """Look a row up by its id."""
        row = await self._pool.fetchval(f"SELECT row_to_json(t) FROM {table} AS t WHERE id = $1", reference)
        return json.loads(row) if row else None

    async def intent(self, reference: str) -> IntentRow | None:
        """Look a payment intent up."""
        row: IntentRow | None = await self.row("payment_intents", reference)
        return row

    async def page(self, table: str, call: Call, condition: str = "TRUE", *arguments: object) -> list[Any]:
        """List rows, newest first, from behind the one with the id `starting_after`: one more than fits on the page.

        The condition has $3 onward.
        """
        rows = await self._pool.fetch(
            f"""
            SELECT row_to_json(t) FROM {table} AS t
            WHERE ($1::text IS NULL OR seq < (SELECT seq FROM {table} WHERE id = $1)) AND ({condition})
            ORDER BY seq DESC LIMIT $2
            """,
            call.form.get("starting_after"),
            call.limit + 1,
            *arguments,
        )
        return [json.loads(row[0]) for row in rows]

    async def refunds_of(self, references: list[str]) -> dict[str, list[RefundRow]]:
        """List the refunds of payment intents, the newest first."""
        rows = await self._pool.fetch(
            "SELECT payment_intent, json_agg(row_to_json(r) ORDER BY seq DESC) FROM refunds AS r"
            " WHERE payment_intent = ANY ($1) GROUP BY payment_intent",
            references,
        )
        return {row[0]: json.loads(row[1]) for row in rows}

    async def run(self, sql: str, *arguments: object) -> Any:
        """Run a statement that no key protects, and return the row that it answers, or nothing."""
        row = await self._pool.fetchval(sql, *arguments)
        return json.loads(row) if row else None


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

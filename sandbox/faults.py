"""Misbehaviour on demand: which request is hit by which fault, and what the fault does to it."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sandbox.calls import Answer, Call
from sandbox.errors import StripeError, server_error
from sandbox.store import Store

Operation = Literal["create", "confirm", "capture", "cancel", "refund", "update", "customer", "method", "retrieve"]


class FaultKind(StrEnum):
    """What goes wrong. *Before* is without any effect, *after* when the effect has happened."""

    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    REPLAY_ERROR = "replay_error"
    """A 500 after the effect that stays under the idempotency key, so that each repetition brings it back."""
    REPLAY_ERROR_BEFORE = "replay_error_before"
    """The same without the effect."""
    FORGET_KEYS = "forget_keys"
    """The request's idempotency key is forgotten before it is looked at."""
    SLOW = "slow"
    """`delay` passes before the effect: a caller who gives up is overtaken by it."""
    SLOW_AFTER = "slow_after"
    RATE_LIMITED = "rate_limited"
    """429 without any effect."""
    REFUSED = "refused"
    """400 with the `code`, without any effect; the key remembers it."""
    DECLINED = "declined"
    """A confirmation is declined with the `code` of a decline, whatever its card is."""
    PENDING = "pending"
    """A refund stays pending until it is told how it ends."""


_CODES = {FaultKind.REFUSED: "charge_disputed", FaultKind.DECLINED: "insufficient_funds", FaultKind.PENDING: "pending"}
_SLOW = {FaultKind.SLOW, FaultKind.SLOW_AFTER}
_DEFAULT_DELAY = 10.0


class FaultOrder(BaseModel):
    """Ask for a fault: for the next `times` requests, or for a `rate` of them, or for both (that rate, so many times).

    With neither it is the next one. `operation` and `order_id` choose the requests; `retrieve` is every GET. Being away
    is `drop_before` for `any` at a rate of 1.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    operation: Operation | Literal["any"] = "any"
    times: int | None = Field(default=None, ge=1, le=1_000_000)
    rate: float | None = Field(default=None, ge=0, le=1)
    delay: float | None = Field(default=None, ge=0, le=600)
    order_id: str | None = None
    code: str | None = Field(default=None, min_length=1, max_length=100)
    says: str | None = Field(default=None, min_length=1, max_length=500)
    """What the message of an error or a refusal says, whatever a message should not."""


@dataclass(slots=True)
class Fault:
    """A fault that waits for its requests. `remaining` is none when only its rate ends it."""

    id: str
    operation: str
    kind: FaultKind
    remaining: int | None
    rate: float
    delay: float
    order_id: str | None
    code: str | None
    says: str | None = None
    hits: int = 0

    @classmethod
    def from_order(cls, order: FaultOrder) -> "Fault":
        """Make the fault that was asked for."""
        times = 1 if order.times is None and order.rate is None else order.times
        delay = order.delay if order.delay is not None else _DEFAULT_DELAY if order.kind in _SLOW else 0.0
        rate = 1.0 if order.rate is None else order.rate
        code = order.code or _CODES.get(order.kind)
        return cls(
            secrets.token_hex(6), order.operation, order.kind, times, rate, delay, order.order_id, code, order.says
        )

    def matches(self, operation: str) -> bool:
        """Say whether this fault may hit such an operation, and has not hit often enough yet."""
        return self.remaining != 0 and self.operation in {"any", operation}


class Faults:
    """Every fault that was asked for. Kept in PostgreSQL too, so that a restart does not cure the sandbox."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    async def load(self) -> None:
        """Read what an earlier process was told."""
        rows = await self._pool.fetch(
            "SELECT id, operation, kind, remaining, rate, delay, order_id, code, says, hits FROM faults ORDER BY seq"
        )
        self._faults = [Fault(**{**row, "kind": FaultKind(row["kind"])}) for row in rows]

    async def add(self, order: FaultOrder) -> Fault:
        """Have a fault wait behind those that are there: the first one that matches a request hits it."""
        fault = Fault.from_order(order)
        await self._pool.execute(
            "INSERT INTO faults (id, operation, kind, remaining, rate, delay, order_id, code, says)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            *(fault.id, fault.operation, fault.kind.value, fault.remaining, fault.rate, fault.delay, fault.order_id),
            fault.code,
            fault.says,
        )
        self._faults.append(fault)
        return fault

    async def clear(self) -> None:
        """Behave again."""
        self._faults = []
        await self._pool.execute("DELETE FROM faults")

    async def take(self, operation: str, call: Call) -> Fault | None:
        """Return the fault that hits this request, if any, and count the hit."""
        if not any(fault.matches(operation) for fault in self._faults):
            return None
        order_id = await self._order_id(call) if any(fault.order_id for fault in self._faults) else None
        for fault in self._faults:
            wanted = fault.order_id in {None, order_id} and fault.matches(operation)
            if wanted and random.random() < fault.rate:
                await self._count(fault)
                return fault
        return None

    async def _count(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.remaining is not None:
            fault.remaining -= 1
        await self._pool.execute(
            "UPDATE faults SET remaining = $2, hits = $3 WHERE id = $1", fault.id, fault.remaining, fault.hits
        )

    async def _order_id(self, call: Call) -> str | None:
        reference = call.reference or call.form.get("payment_intent")
        if not reference:
            return call.metadata.get("order_id")
        found: str | None = await self._pool.fetchval(
            "SELECT order_id FROM payment_intents WHERE id = "
            "COALESCE((SELECT payment_intent FROM refunds WHERE id = $1), $1)",
            reference,
        )
        return found


async def misbehave(fault: Fault, store: Store, call: Call, act: Callable[[Call], Awaitable[Answer]]) -> Answer | None:
    """Carry a request out as badly as the fault says. Nothing is returned when the connection is to be dropped.

    Raises:
        StripeError: the fault is an error.
    """
    if fault.kind is not FaultKind.SLOW_AFTER:
        await asyncio.sleep(fault.delay)
    await _before(fault, store, call)
    if fault.kind is FaultKind.DROP_BEFORE:
        return None
    told = (fault.code or "") if fault.kind in {FaultKind.DECLINED, FaultKind.PENDING} else ""
    answer = await act(replace(call, told=told))
    if fault.kind is FaultKind.REPLAY_ERROR:
        await store.remember(call, 500, server_error().body)
    if fault.kind in {FaultKind.ERROR_AFTER, FaultKind.REPLAY_ERROR}:
        raise server_error(fault.says)
    if fault.kind is FaultKind.SLOW_AFTER:
        await asyncio.sleep(fault.delay)
    return None if fault.kind is FaultKind.DROP_AFTER else answer


async def _before(fault: Fault, store: Store, call: Call) -> None:
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            raise StripeError(429, "Request rate limit exceeded.", code="rate_limit")
        case FaultKind.REFUSED:
            refusal = StripeError(400, fault.says or "The sandbox was told to refuse this.", code=fault.code or "")
            await store.remember(call, refusal.status, refusal.body)
            raise refusal
        case FaultKind.ERROR_BEFORE:
            raise server_error(fault.says)
        case FaultKind.REPLAY_ERROR_BEFORE:
            await store.remember(call, 500, server_error().body)
            raise server_error()
        case FaultKind.FORGET_KEYS:
            await store.forget(call)

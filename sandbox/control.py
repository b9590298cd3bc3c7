"""`/_sandbox`: misbehaviour on demand, webhook endpoints, and whoever plays the buyer and the bank. Needs no key."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Literal, TypeVar

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox import captures, disputes, intents, refunds
from sandbox.buyers_page import PATH as PAGE
from sandbox.buyers_page import show
from sandbox.calls import Answer, Call
from sandbox.clock import Clock, DelayOrder
from sandbox.errors import StripeError
from sandbox.faults import FaultOrder, Faults
from sandbox.store import Store
from sandbox.webhooks import Courier, EndpointOrder

_Handler = Callable[[Request], Awaitable[Response]]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Authentication(_Order):
    """What the bank says when the buyer was asked to authenticate."""

    passes: bool = True


class DisputeOrder(_Order):
    """Why the buyer's bank disputes a payment, in Stripe's words."""

    reason: str = Field(default="fraudulent", min_length=1, max_length=100)


class Decision(_Order):
    """How a dispute ends."""

    status: Literal["won", "lost"]


class Settlement(_Order):
    """How a refund ends."""

    status: Literal["succeeded", "failed"]


OrderT = TypeVar("OrderT", bound=_Order)


def routes(pool: asyncpg.Pool, store: Store, faults: Faults, courier: Courier, clock: Clock) -> list[Route]:
    """Return the control endpoints, the page for buyers and `/healthz`."""
    play = partial(_played, courier)
    return [
        Route("/healthz", _guarded(partial(_healthz, pool)), methods=["GET"]),
        Route(PAGE, _guarded(partial(show, store)), methods=["GET"]),
        Route("/_sandbox/faults", _guarded(partial(_faults, faults)), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/webhook_endpoints", _guarded(partial(_endpoints, courier)), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/delays", _guarded(partial(_delays, clock)), methods=["POST"]),
        Route(
            "/_sandbox/payment_intents/{reference}/authenticate",
            _guarded(partial(_authenticate, store, courier)),
            methods=["POST"],
        ),
        play("payment_intents/{reference}/expire", _Order, lambda reference, _: _expired(store, reference)),
        play(
            "payment_intents/{reference}/dispute",
            DisputeOrder,
            lambda reference, order: disputes.begin(store, reference, order.reason),
        ),
        play(
            "disputes/{reference}/close",
            Decision,
            lambda reference, order: disputes.close(store, reference, order.status),
        ),
        play(
            "refunds/{reference}/settle",
            Settlement,
            lambda reference, order: refunds.settle(store, reference, order.status),
        ),
    ]


def _played(courier: Courier, path: str, order: type[OrderT], act: Callable[[str, OrderT], Awaitable[Answer]]) -> Route:
    """Serve an endpoint by which somebody plays the outside world."""

    async def play(request: Request) -> Response:
        asked = order.model_validate_json(await request.body() or b"{}")
        answer = await act(request.path_params["reference"], asked)
        courier.wake()
        return JSONResponse(answer.body, answer.status)

    return Route(f"/_sandbox/{path}", _guarded(play), methods=["POST"])


async def _healthz(pool: asyncpg.Pool, _request: Request) -> Response:
    await pool.fetchval("SELECT 1")
    return JSONResponse({"status": "ok"})


async def _faults(faults: Faults, request: Request) -> Response:
    if request.method == "POST":
        fault = await faults.add(FaultOrder.model_validate_json(await request.body()))
        return JSONResponse(asdict(fault), 201)
    if request.method == "DELETE":
        await faults.clear()
        return Response(status_code=204)
    return JSONResponse({"faults": [asdict(fault) for fault in faults]})


async def _endpoints(courier: Courier, request: Request) -> Response:
    if request.method == "POST":
        await courier.register(EndpointOrder.model_validate_json(await request.body()))
        return Response(status_code=204)
    if request.method == "DELETE":
        await courier.unregister()
        return Response(status_code=204)
    return JSONResponse({"webhook_endpoints": await courier.endpoints()})


async def _delays(clock: Clock, request: Request) -> Response:
    await clock.set(DelayOrder.model_validate_json(await request.body()))
    return Response(status_code=204)


async def _authenticate(store: Store, courier: Courier, request: Request) -> Response:
    """Play the buyer at the bank: by JSON, or by a button of the page."""
    by_button = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    body = await request.body()
    passes = body == b"passes=true" if by_button else Authentication.model_validate_json(body or b"{}").passes
    call = Call(request.url.path, request.path_params["reference"], {})
    answer = await intents.authenticate(store, call, passes=passes)
    courier.wake()
    return RedirectResponse(PAGE, 303) if by_button else JSONResponse(answer.body, answer.status)


async def _expired(store: Store, reference: str) -> Answer:
    await captures.expire(store, reference)
    return await intents.retrieve(store, Call("", reference, {}))


def _guarded(handler: _Handler) -> _Handler:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as error:
            return JSONResponse({"error": error.errors(include_url=False, include_context=False)}, 400)
        except StripeError as error:
            return JSONResponse(error.body, error.status)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return JSONResponse({"error": "the database can not be reached"}, 503)

    return guarded

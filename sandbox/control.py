"""`/_sandbox`: tell the sandbox to misbehave, where to send webhooks, and to play the buyer. Needs no key."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial

import asyncpg
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import intents
from sandbox.calls import Call
from sandbox.errors import StripeError
from sandbox.faults import FaultOrder, Faults
from sandbox.store import Store
from sandbox.webhooks import Courier, EndpointOrder

_Handler = Callable[[Request], Awaitable[Response]]


class Authentication(BaseModel):
    """What the bank says when the buyer was asked to authenticate."""

    model_config = ConfigDict(extra="forbid")

    passes: bool = True


def routes(pool: asyncpg.Pool, store: Store, faults: Faults, courier: Courier) -> list[Route]:
    """Return the control endpoints and `/healthz`."""
    return [
        Route("/healthz", _guarded(partial(_healthz, pool)), methods=["GET"]),
        Route("/_sandbox/faults", _guarded(partial(_faults, faults)), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/webhook_endpoints", _guarded(partial(_endpoints, courier)), methods=["GET", "POST", "DELETE"]),
        Route(
            "/_sandbox/payment_intents/{reference}/authenticate",
            _guarded(partial(_authenticate, store, courier)),
            methods=["POST"],
        ),
    ]


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


async def _authenticate(store: Store, courier: Courier, request: Request) -> Response:
    asked = Authentication.model_validate_json(await request.body() or b"{}")
    call = Call(request.url.path, request.path_params["reference"], {})
    answer = await intents.authenticate(store, call, passes=asked.passes)
    courier.wake()
    return JSONResponse(answer.body, answer.status)


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

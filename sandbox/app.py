"""The sandbox's routes: the part of Stripe's API that is used, and the control endpoints."""

import asyncpg
from starlette.routing import Route, Router

from sandbox import control, intents, refunds
from sandbox.faults import Faults
from sandbox.gateway import Gateway, unknown_url
from sandbox.store import Store
from sandbox.webhooks import Courier


def build(pool: asyncpg.Pool, faults: Faults, courier: Courier) -> Router:
    """Assemble the application. It is a bare router: nothing here needs a middleware."""
    store = Store(pool)
    serve = Gateway(store, faults, courier).endpoint
    intent, refund = "/v1/payment_intents", "/v1/refunds"
    return Router(
        [
            Route(intent, serve("create", intents.create), methods=["POST"]),
            Route(f"{intent}/{{reference}}/confirm", serve("confirm", intents.confirm), methods=["POST"]),
            Route(f"{intent}/{{reference}}/capture", serve("capture", intents.capture), methods=["POST"]),
            Route(f"{intent}/{{reference}}/cancel", serve("cancel", intents.cancel), methods=["POST"]),
            Route(f"{intent}/{{reference}}", serve("retrieve", intents.retrieve), methods=["GET"]),
            Route(intent, serve("retrieve", intents.index), methods=["GET"]),
            Route(refund, serve("refund", refunds.create), methods=["POST"]),
            Route(f"{refund}/{{reference}}", serve("retrieve", refunds.retrieve), methods=["GET"]),
            Route(refund, serve("retrieve", refunds.index), methods=["GET"]),
            *control.routes(pool, store, faults, courier),
        ],
        default=unknown_url,
        redirect_slashes=False,
    )

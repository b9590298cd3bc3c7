"""The sandbox's routes: the part of Stripe's API that is used, and the control endpoints."""

import asyncpg
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from sandbox import captures, control, disputes, events, intents, methods, refunds
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.gateway import Gateway, Operation, unknown_url
from sandbox.store import Store
from sandbox.webhooks import Courier

_INTENT = "/v1/payment_intents"
_POSTS: tuple[tuple[str, str, Operation], ...] = (
    (_INTENT, "create", intents.create),
    (f"{_INTENT}/{{reference}}", "update", intents.update),
    (f"{_INTENT}/{{reference}}/confirm", "confirm", intents.confirm),
    (f"{_INTENT}/{{reference}}/capture", "capture", captures.capture),
    (f"{_INTENT}/{{reference}}/cancel", "cancel", captures.cancel),
    ("/v1/refunds", "refund", refunds.create),
    ("/v1/customers", "customer", methods.create_customer),
    ("/v1/payment_methods/{reference}/attach", "method", methods.attach),
)
_GETS: tuple[tuple[str, Operation], ...] = (
    (f"{_INTENT}/{{reference}}", intents.retrieve),
    (_INTENT, intents.index),
    ("/v1/refunds/{reference}", refunds.retrieve),
    ("/v1/refunds", refunds.index),
    ("/v1/disputes/{reference}", disputes.retrieve),
    ("/v1/disputes", disputes.index),
    ("/v1/customers/{reference}", methods.retrieve_customer),
    ("/v1/payment_methods/{reference}", methods.retrieve),
    ("/v1/payment_methods", methods.index),
    ("/v1/events/{reference}", events.retrieve),
    ("/v1/events", events.index),
)


def build(pool: asyncpg.Pool, store: Store, faults: Faults, courier: Courier, clock: Clock) -> ASGIApp:
    """Assemble the application. It is a bare router: nothing here needs a middleware."""
    serve = Gateway(store, faults, courier).endpoint
    return Router(
        [
            *(Route(path, serve(name, operation), methods=["POST"]) for path, name, operation in _POSTS),
            *(Route(path, serve("retrieve", operation), methods=["GET"]) for path, operation in _GETS),
            Route("/v1/customers/{reference}", serve("customer", methods.delete_customer), methods=["DELETE"]),
            *control.routes(pool, store, faults, courier, clock),
        ],
        default=unknown_url,
        redirect_slashes=False,
    )

"""What every `/v1` request passes: the secret key, the idempotency key, the faults, and errors in Stripe's form."""

import base64
import binascii
import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import Answer, Call
from sandbox.database import FAILURES
from sandbox.errors import StripeError, server_error
from sandbox.faults import Fault, Faults, misbehave
from sandbox.store import Store, key_in_use
from sandbox.webhooks import Courier

Operation = Callable[[Store, Call], Awaitable[Answer]]

DROP = "sandbox.drop"
"""Where `sandbox.server` leaves, in the scope's extensions, what cuts the connection."""

_log = logging.getLogger("sandbox")


class Gateway:
    """Turns operations into ASGI endpoints."""

    def __init__(self, store: Store, faults: Faults, courier: Courier) -> None:
        self._store = store
        self._faults = faults
        self._courier = courier
        self._at_work: set[str] = set()

    def endpoint(self, name: str, operation: Operation) -> ASGIApp:
        """Serve an operation; `name` is what faults call it."""
        return _Endpoint(self, name, operation)

    async def handle(
        self, name: str, operation: Operation, scope: Scope, receive: Receive, headers: Headers
    ) -> Answer | None:
        """Answer one request, or have its connection dropped."""
        try:
            _authenticate(headers.get("authorization", ""))
            return await self._keyed(name, operation, await _call(scope, receive, headers))
        except StripeError as error:
            return Answer(error.status, error.body)

    async def _keyed(self, name: str, operation: Operation, call: Call) -> Answer | None:
        if call.key is None:
            return await self._faulty(name, operation, call)
        if call.key in self._at_work:
            raise key_in_use()
        self._at_work.add(call.key)
        try:
            return await self._faulty(name, operation, call)
        finally:
            self._at_work.discard(call.key)

    async def _faulty(self, name: str, operation: Operation, call: Call) -> Answer | None:
        act = partial(self._act, operation)
        try:
            fault: Fault | None = await self._faults.take(name, call)
            return await (misbehave(fault, self._store, call, act) if fault else act(call))
        except FAILURES:
            _log.exception("the database failed")
            raise server_error() from None

    async def _act(self, operation: Operation, call: Call) -> Answer:
        try:
            return await operation(self._store, call)
        except StripeError as error:
            return Answer(error.status, error.body)
        finally:
            self._courier.wake()


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One operation as an ASGI application: Starlette takes functions for something else."""

    gateway: Gateway
    name: str
    operation: Operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = await self.gateway.handle(self.name, self.operation, scope, receive, headers)
        if answer is None:
            await _drop(scope, receive)
        else:
            await _respond(send, answer, headers.get("idempotency-key"))


async def unknown_url(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer a request for anything else as Stripe does."""
    error = StripeError(404, f"Unrecognized request URL ({scope['method']}: {scope['path']}).")
    await _respond(send, Answer(404, error.body), None)


def _authenticate(authorization: str) -> None:
    """Take any test key, as bearer token or as the user of basic authentication; never a live one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            value = ""
    if not value.startswith(("sk_test_", "rk_test_")):
        raise StripeError(401, "Invalid API Key provided." if value else "You did not provide an API key.")


async def _call(scope: Scope, receive: Receive, headers: Headers) -> Call:
    reference = scope["path_params"].get("reference", "")
    if scope["method"] != "POST":
        return Call.parse(scope["path"], reference, scope["query_string"])
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise StripeError(400, "The request ended before its body.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    key, version = headers.get("idempotency-key") or None, headers.get("stripe-version", "")
    return Call.parse(scope["path"], reference, body, key=key, version=version)


async def _respond(send: Send, answer: Answer, key: str | None) -> None:
    body = json.dumps(answer.body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"request-id", f"req_{secrets.token_hex(7)}".encode()),
    ]
    if key:
        headers.append((b"idempotency-key", key.encode("latin-1")))
    if answer.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _drop(scope: Scope, receive: Receive) -> None:
    """Cut the connection without a word, and wait until that is noticed here too."""
    scope["extensions"][DROP]["cut"]()
    while (await receive())["type"] != "http.disconnect":
        pass

"""`Idempotency-Key`: whoever asks twice under one key gets one effect, and one answer.

A key is claimed in a statement of its own before the endpoint runs. The answer is written in the endpoint's
transaction where it has one, on the condition that the claim still holds: effect and answer are committed together or
not at all, and a try that was taken over commits nothing. Effects that are workflows are idempotent by their own names
(`RequestId`), so there the answer is kept right after.
"""

import json
import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from hashlib import sha256
from hmac import new as hmac
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import Depends
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from api import errors
from api.audience import Audience, access
from api.bodies import BodyRoute
from api.client_address import client_address, networks
from api.deps import Needs, Resources, caller_of, resources_of, user_id, write_of
from api.errors import InvalidRequestError
from api.openapi import KEY_HEADER as HEADER
from api.sealing import seal, unseal
from api.security import Caller, digest
from db import idempotency
from db.idempotency import Answered, Claim, KeyedRequest, Reused, Running
from domain.errors import ConflictError, IdempotencyInProgressError, IdempotencyKeyReusedError
from domain.roles import Role
from models.columns import new_id
from settings import Settings

log = structlog.get_logger(__name__)

REPLAYED = "Idempotent-Replayed"

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LONGEST = 255
_HARD_TO_GUESS = 20
"""Characters of a key by which somebody is known who has shown nothing else."""

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST, "pattern": r"^[\x21-\x7e]+$"},
    "description": (
        "Names the request for 24 hours: sent again with the same body, it is not done again, and has the same answer "
        f"with `{REPLAYED}: true`. Draw it at random; without a token it has at least {_HARD_TO_GUESS} characters."
    ),
}


class IdempotentRoute(BodyRoute):
    """A route whose POST may be named by an `Idempotency-Key`: `APIRouter(route_class=IdempotentRoute)`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            options["openapi_extra"] = {"parameters": [_PARAMETER]} | (options.get("openapi_extra") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> _Handler:
        """Wrap the endpoint of a POST."""
        endpoint = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return endpoint
        allowed = access(self)
        staff = Needs(allowed.scope) if allowed and allowed.audience is Audience.STAFF and allowed.scope else None

        of_account = allowed is not None and allowed.audience is Audience.ACCOUNT

        async def once(request: Request) -> Response:
            if HEADER not in request.headers:
                return await endpoint(request)
            caller = await caller_of(request)
            if staff is not None:
                staff.admit(caller)  # whoever may not any more is not given what was answered then
            if of_account:
                await user_id(caller, None)  # nobody is asked for a better key who may not ask at all
            return await _once(request, caller, f"POST {self.path_format}", endpoint)

        return once


async def _request_id(request: Request) -> UUID:
    named: UUID | None = getattr(request.state, "request_name", None)
    return named or new_id()


RequestId = Annotated[UUID, Depends(_request_id)]
"""Names what is asked for: the same whenever it is asked for again under one `Idempotency-Key`, new without one.

Commands to workflows bear it as their update id or operation id, so that a repeated request joins the first one's.
"""


async def _once(request: Request, caller: Caller, route: str, endpoint: _Handler) -> Response:
    resources, key = resources_of(request), request.headers[HEADER]
    owner = _owner(request, caller, key, resources.settings)
    keyed = KeyedRequest(owner, key, route, await _fingerprint(request, resources.settings))
    claim = await _claimed(resources, keyed)
    if isinstance(claim, Answered):
        return _replayed(keyed, claim, resources.settings)
    request.state.request_name = claim.id
    try:
        answer = await endpoint(request)
    except Exception as error:
        await _settle_failure(request, resources, claim, error)
        raise
    await _settle(request, resources, claim, answer)
    return answer


async def _claimed(resources: Resources, keyed: KeyedRequest) -> Claim | Answered:
    lock = timedelta(seconds=resources.settings.idempotency_lock)
    async with resources.statements() as session:
        found = await idempotency.claim(session, keyed, lock=lock)
    match found:
        case Reused():
            raise IdempotencyKeyReusedError("This key was used for another request.")
        case Running():
            raise IdempotencyInProgressError("The first request with this key is still running.")
        case _:
            return found


def _owner(request: Request, caller: Caller, key: str, settings: Settings) -> str:
    """Name whose key it is: nobody else's answers can be reached by it.

    Whoever shows nothing is known by an address, of which only a keyed digest is kept, and by a key that can not be
    guessed: neighbours behind one address must not read each other's answers.
    """
    _require_key(key, least=1)
    if caller.user_id is not None:
        return user_owner(caller.user_id)
    if Role.SERVICE in caller.roles:
        return "service"
    if caller.cart_token is not None:
        return cart_owner(digest(caller.cart_token))
    _require_key(key, least=_HARD_TO_GUESS)
    address = client_address(request.scope, networks(settings.trusted_proxies))
    return "guest:" + hmac(settings.secret.encode(), address.encode(), sha256).hexdigest()


def cart_owner(token_digest: str) -> str:
    """Name whoever has the secret of a cart."""
    return f"cart:{token_digest}"


def user_owner(user_id: UUID) -> str:
    """Name a person with an account."""
    return f"user:{user_id}"


def _require_key(key: str, *, least: int) -> None:
    if not (least <= len(key) <= _LONGEST and _PRINTABLE.fullmatch(key)):
        raise InvalidRequestError(f"Input should be {least} to {_LONGEST} visible characters", "header", HEADER)


async def _fingerprint(request: Request, settings: Settings) -> str:
    """Digest what is asked for: path, query and body, byte by byte. With a key: a body may hold a password."""
    asked = hmac(settings.secret.encode(), digestmod=sha256)
    for part in (request.scope["path"].encode(), request.scope["query_string"], await request.body()):
        asked.update(len(part).to_bytes(8))
        asked.update(part)
    return asked.hexdigest()


# What becomes of a claim -------------------------------------------------------------------------------------------


async def _settle(request: Request, resources: Resources, claim: Claim, answer: Response) -> None:
    """Keep the answer, in the endpoint's own transaction where it has one.

    Raises:
        IdempotencyInProgressError: another try has taken over; what this one did is rolled back.
    """
    transaction = write_of(request)
    if transaction is None:
        async with resources.statements() as session:
            await _end(session, claim, answer, resources.settings)
    elif not await _end(transaction, claim, answer, resources.settings):
        raise IdempotencyInProgressError("Another request with this key has taken over.")


async def _settle_failure(request: Request, resources: Resources, claim: Claim, error: Exception) -> None:
    """Keep a refusal that is final; have anything else be tried again. What the endpoint did is undone first."""
    transaction = write_of(request)
    try:
        if transaction is not None:
            await transaction.rollback()
        refusal = await errors.refusal(request, error)
        async with resources.statements() as session:
            if refusal is not None:
                await _end(session, claim, refusal, resources.settings)
            else:
                await idempotency.leave(session, claim)
    except (DBAPIError, OSError) as away:
        log.warning("idempotency_key_left_locked", error=type(away).__name__)


async def _end(session: AsyncSession, claim: Claim, answer: Response, settings: Settings) -> bool:
    if _is_final(answer) and isinstance(answer.body, bytes):
        return await idempotency.answer(session, claim, answer.status_code, _sealed(claim.request, answer, settings))
    if 400 <= answer.status_code < 500:
        return await idempotency.release(session, claim)
    return await idempotency.leave(session, claim)


def _is_final(answer: Response) -> bool:
    """Tell whether asking again can not change the answer: not so where it says when to ask again."""
    match answer.status_code:
        case 202:
            return False
        case 402 | 409:
            return "retry-after" not in answer.headers
        case status:
            return 200 <= status < 300


# Answers at rest ---------------------------------------------------------------------------------------------------


def _place(keyed: KeyedRequest) -> str:
    return f"{keyed.owner}\n{keyed.key}\n{keyed.fingerprint}"


def _sealed(keyed: KeyedRequest, answer: Response, settings: Settings) -> bytes:
    kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
    content = json.dumps(kept).encode() + b"\n" + bytes(answer.body)
    return seal(content, place=_place(keyed), secret=settings.secret)


def _replayed(keyed: KeyedRequest, answered: Answered, settings: Settings) -> Response:
    """Give the answer once more.

    Raises:
        ConflictError: it was kept under a secret that has been changed since. It is not done again.
    """
    content = unseal(answered.answer, place=_place(keyed), secret=settings.secret)
    if content is None:
        raise ConflictError("This request was answered; the answer can not be read any more.")
    kept, _, body = content.partition(b"\n")
    return Response(body, answered.status, headers=json.loads(kept) | {REPLAYED: "true"})

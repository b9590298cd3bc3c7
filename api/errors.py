"""The only place where errors become HTTP answers."""

import traceback
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.problems import problem
from domain.errors import (
    CartIncompleteError,
    CurrencyUnavailableError,
    EverorderError,
    OrdersOpenError,
    RateLimitedError,
    UnknownSkuError,
)
from domain.money import CurrencyMismatchError
from domain.order_states import IllegalTransitionError

log = structlog.get_logger(__name__)

_MOST_ERRORS = 20
_LONGEST_NAME = 100

_CODE_OF_STATUS = {
    400: "validation_error",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
}

_PASSING_STATES = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE that may be gone the next time: connection, rollback, resources, operator, locks."""

_INTEGRITY = "23"
_DATA = "22"

# Pydantic quotes what it was given in the first and speaks of Python in the second; else it says what was expected.
_OWN_MESSAGES = {
    "uuid_parsing": "Input should be a valid UUID",
    "model_attributes_type": "Input should be an object",
}


class ProblemError(EverorderError):
    """A refusal that only HTTP knows. `members` are added to its problem document."""

    def __init__(self, code: str, detail: str, **members: Any) -> None:
        self.code = code
        self.members = members
        super().__init__(detail)


class InvalidRequestError(ProblemError):
    """A part of the request is not valid, which only its handling could tell."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__("validation_error", message, errors=[{"loc": list(loc), "msg": message}])


def install(app: FastAPI) -> None:
    """Make every error of an application a problem document."""
    failures: dict[type[Exception], Any] = {
        DBAPIError: _database,
        asyncpg.PostgresError: _database,
        asyncpg.InterfaceError: _away,
        asyncpg.InternalClientError: _away,
        PoolTimeoutError: _away,
        OSError: _away,
    }
    for kind, handler in (_refusals() | failures).items():
        app.add_exception_handler(kind, handler)


def _refusals() -> dict[type[Exception], Any]:
    return {
        EverorderError: _refused,
        CurrencyMismatchError: _currencies_differ,
        IllegalTransitionError: _illegal,
        RequestValidationError: _invalid,
        HTTPException: _http,
    }


async def refusal(request: Request, error: Exception) -> Response | None:
    """Write an error as it leaves the API, if it is an answer to what was asked; None where it is a failure."""
    for kind, answered in _refusals().items():
        if isinstance(error, kind):
            answer: Response = await answered(request, error)
            return answer
    return None


async def _refused(request: Request, error: EverorderError) -> Response:
    answer = problem(request, error.code, str(error), _members(error))
    if isinstance(error, RateLimitedError):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _members(error: EverorderError) -> dict[str, Any]:
    match error:
        case ProblemError():
            return error.members
        case OrdersOpenError():
            return {"orders": list(error.numbers)}
        case CartIncompleteError():
            return {"errors": [{"loc": ["cart", name], "msg": "Field required"} for name in error.missing]}
        case UnknownSkuError() | CurrencyUnavailableError():
            return {"skus": list(error.skus)}
        case _:
            return {}


async def _currencies_differ(request: Request, error: CurrencyMismatchError) -> Response:
    return problem(request, "currency_mismatch", str(error))


async def _illegal(request: Request, error: IllegalTransitionError) -> Response:
    return problem(request, "illegal_transition", str(error))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    found: Sequence[Any] = error.errors()
    listed = [{"loc": _named(one["loc"]), "msg": _message(request, one)} for one in found[:_MOST_ERRORS]]
    return problem(request, "validation_error", "", {"errors": listed})


def _named(loc: Sequence[str | int]) -> list[str | int]:
    return [part[:_LONGEST_NAME] if isinstance(part, str) else part for part in loc]


def _message(request: Request, error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"The body is no JSON: {error['ctx']['error']}"
    if tuple(error["loc"]) == ("body",) and error["type"] != "missing" and not _says_json(request):
        return "The body has to be JSON, and Content-Type to say so: application/json"
    return _OWN_MESSAGES.get(error["type"]) or str(error["msg"])


def _says_json(request: Request) -> bool:
    return "json" in request.headers.get("content-type", "")


async def _http(request: Request, error: HTTPException) -> Response:
    code = _CODE_OF_STATUS.get(error.status_code, "conflict" if error.status_code < 500 else "internal_error")
    if error.status_code == 400:  # the body is no text, or nested without end
        return problem(request, code, "", {"errors": [{"loc": ["body"], "msg": "The body can not be read"}]})
    answer = problem(request, code, "", status=None if error.status_code in _CODE_OF_STATUS else error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _database(request: Request, error: DBAPIError | asyncpg.PostgresError) -> Response:
    state = _state(error)
    if state.startswith(_PASSING_STATES) or _disconnected(error):
        return await _away(request, error)
    if state.startswith(_INTEGRITY):
        return problem(request, "conflict", "")
    if state.startswith(_DATA) or isinstance(error.__cause__ and error.__cause__.__cause__, asyncpg.DataError):
        return problem(request, "validation_error", "A value can not be stored.", {"errors": []})
    return failed(request, error)


def _state(error: DBAPIError | asyncpg.PostgresError) -> str:
    source = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(source, "sqlstate", None) or "")


def _disconnected(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


async def _away(request: Request, error: Exception) -> Response:
    log.warning("database_unavailable", error=type(error).__name__)
    return problem(request, "temporarily_unavailable", "")


def failed(request: Request, error: Exception) -> Response:
    """Answer an error that nobody expected, and log where it came from. Its message may quote people's data."""
    kinds = [type(one).__name__ for one in _chain(error)]
    log.error("request_failed", error=" < ".join(kinds), trace=_own_frames(error))
    return problem(request, "internal_error", "")


def _own_frames(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{one.filename}:{one.lineno} in {one.name}" for one in frames if "site-packages" not in one.filename]


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain

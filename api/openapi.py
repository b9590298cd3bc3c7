"""The OpenAPI document: operation ids, tags, and the problem documents that every operation may answer with."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.examples import PROBLEM_MEMBERS, add_examples
from api.problems import MEDIA_TYPE, PROBLEMS

_EVERYWHERE = ("validation_error", "rate_limited", "internal_error", "temporarily_unavailable")
_WITH_A_BODY = ("request_timeout", "payload_too_large")
_WITH_A_KEY = ("idempotency_key_reused", "idempotency_in_progress", "conflict")

KEY_HEADER = "Idempotency-Key"

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds until it is worth asking again.", "schema": {"type": "integer"}}
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}

_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457). `code` is stable; more members may follow.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                },
            },
        },
        "order_id": {"type": "string", "format": "uuid", "description": "The order that was begun."},
        "decline_code": {**_TEXT_OR_NULL, "description": "Why a payment was declined, in Stripe's words."},
        "provider": {**_TEXT_OR_NULL, "description": "Who waits for the buyer: `stripe` or `manual`."},
        "client_secret": {**_TEXT_OR_NULL, "description": "For the provider's library, in the browser."},
        "transfer_reference": {**_TEXT_OR_NULL, "description": "What the buyer writes on a transfer."},
        "skus": {"type": "array", "items": {"type": "string"}, "description": "The articles that it is about."},
    },
}


def problems(*named: int | str) -> dict[int | str, dict[str, Any]]:
    """Document the problems of a route: by their codes, or all codes of a status.

    What any route may answer, and what a body or an `Idempotency-Key` may cause, is added by itself.
    """
    codes: dict[int, list[str]] = {}
    for one in named:
        status = one if isinstance(one, int) else PROBLEMS[one][0]
        codes.setdefault(status, []).extend([one] if isinstance(one, str) else _codes_of(status))
    return {status: _documented(status, codes[status]) for status in sorted(codes)}


def _codes_of(status: int) -> list[str]:
    return [code for code, (usual, _) in PROBLEMS.items() if usual == status]


def _documented(status: int, codes: Iterable[str]) -> dict[str, Any]:
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    documented: dict[str, Any] = {
        "description": " or ".join(f"`{code}`" for code in examples),
        "content": {MEDIA_TYPE: content},
    }
    return documented | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def name_operations(router: APIRouter) -> None:
    """Name each operation of a router as its function."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name


def install(app: FastAPI) -> None:
    """Make an application describe its problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = PROBLEM_SCHEMA | {"examples": [_example("payment_failed")["value"]]}
            document["components"]["examples"] = {code: _example(code) for code in PROBLEMS}
            _add_what_any_request_may_cause(document)
            _tell_accepted_from_done(document)
            _tell_who_need_not_say_who_they_are(document)
            add_examples(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _example(code: str) -> dict[str, Any]:
    status, title = PROBLEMS[code]
    kind = f"urn:everorder:problem:{code}"
    problem: dict[str, Any] = {
        "type": kind,
        "title": title,
        "status": status,
        "detail": title,
        "instance": "/v1/carts",
        "code": code,
    }
    return {"summary": title, "value": {**problem, **PROBLEM_MEMBERS.get(code, {})}}


def _add_what_any_request_may_cause(document: dict[str, Any]) -> None:
    """Complete the problems of each operation; FastAPI's own idea of a validation error is none of ours."""
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if MEDIA_TYPE not in answers.get("422", {}).get("content", {}):
                answers.pop("422", None)
            keyed = any(parameter["name"] == KEY_HEADER for parameter in operation.get("parameters", ()))
            _add(answers, (*_EVERYWHERE, *(_WITH_A_BODY if "requestBody" in operation else ()), *(_WITH_A_KEY * keyed)))
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)


def _add(answers: dict[str, Any], codes: Iterable[str]) -> None:
    for code in codes:
        status = PROBLEMS[code][0]
        known = answers.get(str(status), {}).get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        answers[str(status)] = _documented(status, [*known, *({code} - known.keys())])


def _tell_accepted_from_done(document: dict[str, Any]) -> None:
    """Have 200 and 201 show what was done alone, where 202 shows that it is under way: endpoints return either."""
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "202" not in answers:
                continue
            accepted = answers["202"].get("content", {}).get("application/json", {}).get("schema")
            for status in {"200", "201"} & answers.keys():
                content = answers[status]["content"]["application/json"]
                done = [schema for schema in content["schema"].get("anyOf", []) if schema != accepted]
                if len(done) == 1:
                    content["schema"] = done[0]


def _tell_who_need_not_say_who_they_are(document: dict[str, Any]) -> None:
    """Have what is for everybody need nothing, where it shows more to those who are known (`api.audience`)."""
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("x-access") == "public" and operation.get("security"):
                operation["security"].append({})

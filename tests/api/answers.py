"""What tests say about answers."""

import json
from typing import Any

import httpx2


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a whole problem document, and return it."""
    document: dict[str, Any] = json.loads(response.content)
    assert (response.status_code, document.get("code")) == (status, code), document
    assert response.headers["content-type"] == "application/problem+json"
    assert document["status"] == status
    assert document["type"] == f"urn:everorder:problem:{code}"
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == response.request.url.raw_path.decode().partition("?")[0]
    assert response.headers["x-request-id"]
    return document


def locations(document: dict[str, Any]) -> list[list[str | int]]:
    """Return where the errors of a validation problem are."""
    return [error["loc"] for error in document["errors"]]


def body(response: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """Check that an answer is a success, and return its content."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    content: dict[str, Any] = response.json()
    return content


def gbp(amount: int) -> dict[str, Any]:
    """Write an amount as the API does."""
    return {"amount": amount, "currency": "GBP"}

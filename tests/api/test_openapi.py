from typing import Any

import httpx2
import pytest

from api.problems import PROBLEMS
from tests.api.answers import body

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def document(guest: httpx2.AsyncClient) -> dict[str, Any]:
    return body(await guest.get("/openapi.json"))


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for method, operation in path.items() if method in METHODS]


async def test_every_operation_has_its_own_readable_name_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    assert {"list_products", "get_stock", "open_cart", "replace_cart_lines", "healthz"} <= set(names)
    for operation in operations(document):
        assert operation["tags"]
        assert operation["description"]


async def test_every_error_is_documented_as_a_problem_document(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"422", "500", "503"} <= set(errors)
        assert all(answer["content"] == problem for answer in errors.values())
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"]["code"]["enum"] == sorted(PROBLEMS)
    assert "HTTPValidationError" not in schemas


async def test_what_opens_what_is_documented(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert paths["/v1/carts/{cart_id}"]["get"]["security"] == [{"cart": []}, {"service": []}]
    assert paths["/v1/locations"]["get"]["security"] == [{"service": []}]
    assert "security" not in paths["/v1/products"]["get"]
    assert document["components"]["securitySchemes"]["cart"]["name"] == "X-Cart-Token"


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    schemas = document["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references(document)} <= set(schemas)


async def test_the_documentation_is_a_page(guest: httpx2.AsyncClient) -> None:
    page = await guest.get("/docs")
    assert page.status_code == 200
    assert "/openapi.json" in page.text

import re
from typing import Any

import httpx2
import jsonschema_rs
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
    for operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"422", "429", "500", "503"} <= set(errors)
        assert {"408", "413"} <= set(errors) or "requestBody" not in operation
        for status, answer in errors.items():
            [(media_type, content)] = answer["content"].items()
            assert media_type == "application/problem+json"
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["examples"], status
            for code in content["examples"]:
                assert document["components"]["examples"][code]["value"]["status"] == int(status)
                assert f"`{code}`" in answer["description"]
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"]["code"]["enum"] == sorted(PROBLEMS)
    assert "HTTPValidationError" not in schemas


async def test_every_model_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    models = {name: schema for name, schema in document["components"]["schemas"].items() if "properties" in schema}
    assert len(models) > 30
    for name, schema in models.items():
        assert schema["examples"], name
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for example in schema["examples"]:
            errors = [f"{name}{error.instance_path}: {error.message}" for error in validator.iter_errors(example)]
            assert errors == []


async def test_every_problem_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    whole = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    examples = {code: example["value"] for code, example in document["components"]["examples"].items()}
    assert set(examples) == set(PROBLEMS)
    assert {code for code, example in examples.items() if not validator.is_valid(example)} == set()
    assert examples["payment_action_required"]["client_secret"]


async def test_what_opens_what_is_documented(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert paths["/v1/carts/{cart_id}"]["get"]["security"] == [{"cart": []}, {"service": []}]
    assert paths["/v1/carts"]["post"]["security"] == [{"cart": []}, {"service": []}, {}]
    assert paths["/v1/locations"]["get"]["security"] == [{"service": []}]
    assert "security" not in paths["/v1/categories"]["get"]
    assert document["components"]["securitySchemes"]["cart"]["name"] == "X-Cart-Token"


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    known = {f"#/components/{kind}/{name}" for kind in ("schemas", "examples") for name in document["components"][kind]}
    assert set(references(document)) <= known


async def test_the_documentation_is_a_page_whose_files_come_from_here(guest: httpx2.AsyncClient) -> None:
    page = await guest.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "/openapi.json" in page.text
    files = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    kinds = {file: (await guest.get(file)).headers["content-type"].partition(";")[0] for file in files}
    assert kinds == {
        "/docs/swagger-ui.css": "text/css",
        "/docs/swagger-ui-bundle.js": "text/javascript",
        "/docs/start.js": "text/javascript",
    }
    assert "SwaggerUIBundle" in (await guest.get("/docs/swagger-ui-bundle.js")).text


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2Fcore.py", "none.js"])
async def test_no_other_file_is_handed_out_with_the_documentation(guest: httpx2.AsyncClient, name: str) -> None:
    assert (await guest.get(f"/docs/{name}")).status_code in {404, 422}

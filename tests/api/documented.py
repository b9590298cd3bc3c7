"""Every problem that any test of the API provokes is one that the OpenAPI document tells of for that operation."""

import json
import re
from dataclasses import dataclass
from functools import cached_property

import httpx2
from fastapi import FastAPI

from api.problems import PROBLEMS

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Operation:
    """A path and what may be answered there, by the codes of the problems."""

    method: str
    path: str
    codes: frozenset[str]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]+\}", self.path)))

    def is_asked_by(self, request: httpx2.Request) -> bool:
        path = request.url.raw_path.decode().partition("?")[0]
        return request.method == self.method and self.pattern.fullmatch(path) is not None


class Document:
    """The problems of an application's operations."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def check(self, answer: httpx2.Response) -> None:
        """Compare a problem with the document: a hook of the tests' clients."""
        if answer.headers.get("content-type") != PROBLEM or answer.request.method == "HEAD":
            return
        code = json.loads(await answer.aread())["code"]
        if code not in PROBLEMS:
            return  # a refusal of a workflow of a later release
        asked = next((one for one in self._operations if one.is_asked_by(answer.request)), None)
        assert asked is None or code in asked.codes, f"{asked.method} {asked.path} does not tell of {code}"

    @cached_property
    def _operations(self) -> list[Operation]:
        """List them, paths without parameters first: `/v1/products/facets` is no product."""
        listed = [
            Operation(
                method.upper(),
                path,
                frozenset(
                    code
                    for answer in operation["responses"].values()
                    for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", {})
                ),
            )
            for path, methods in self._app.openapi()["paths"].items()
            for method, operation in methods.items()
        ]
        return sorted(listed, key=lambda one: one.path.count("{"))

"""Attacks, walked over the OpenAPI document: every operation that takes a body, every text field in it."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

Document = Mapping[str, Any]
Place = tuple[str | int, ...]

WRITES = ("post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """An operation that takes JSON, with a body that its schema allows and a path that leads somewhere or nowhere."""

    name: str
    method: str
    path: str
    body: Any
    responses: frozenset[str]

    def __str__(self) -> str:
        return self.name

    def texts(self) -> Iterator[Place]:
        """List where texts stand in the body."""
        return _texts(self.body, ())

    def objects(self) -> Iterator[Place]:
        """List where objects stand in the body, itself first."""
        return _objects(self.body, ())

    def with_value(self, place: Place, value: Any) -> Any:
        """Return the body with another value at a place."""
        body = deepcopy(self.body)
        parent = body
        for part in place[:-1]:
            parent = parent[part]
        parent[place[-1]] = value
        return body

    def with_members(self, place: Place, members: Mapping[str, Any]) -> Any:
        """Return the body with more members in the object at a place."""
        body = deepcopy(self.body)
        grown = body
        for part in place:
            grown = grown[part]
        grown |= {name: value for name, value in members.items() if name not in grown}
        return body


def operations(document: Document, paths: Mapping[str, str]) -> Iterator[Operation]:
    """List the operations that take JSON. `paths` names what stands for a parameter; else it is an id of nothing."""
    for path, item in document["paths"].items():
        for method in WRITES:
            if method not in item or "requestBody" not in item[method]:
                continue
            content = item[method]["requestBody"]["content"].get("application/json")
            if content is None or not _is_model(content["schema"]):
                continue
            yield Operation(
                name=item[method]["operationId"],
                method=method.upper(),
                path=re.sub(r"\{(\w+)\}", lambda found: paths.get(found[1], str(uuid4())), path),
                body=_example(content["schema"], document),
                responses=frozenset(item[method]["responses"]),
            )


def _is_model(schema: Mapping[str, Any]) -> bool:
    """Tell a body that we describe from one that somebody else does: events of a payment provider are signed."""
    return "$ref" in schema.get("anyOf", [schema])[0]


def _example(schema: Mapping[str, Any], document: Document) -> Any:
    """Take the model's example, without what is null: a body as a client sends it."""
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], document)
    model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return _without_nulls(json.loads(json.dumps(model["examples"][0])))


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_nulls(member) for name, member in value.items() if member is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value


def _texts(value: Any, place: Place) -> Iterator[Place]:
    match value:
        case str():
            yield place
        case dict():
            for name, member in value.items():
                yield from _texts(member, (*place, name))
        case list():
            for index, item in enumerate(value):
                yield from _texts(item, (*place, index))


def _objects(value: Any, place: Place) -> Iterator[Place]:
    match value:
        case dict():
            yield place
            for name, member in value.items():
                yield from _objects(member, (*place, name))
        case list():
            for index, item in enumerate(value):
                yield from _objects(item, (*place, index))

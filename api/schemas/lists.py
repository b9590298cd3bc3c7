"""Lists: a page of items, and the opaque cursor that leads to the next."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from api.errors import InvalidRequestError
from api.schemas.fields import Output

T = TypeVar("T")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`next_cursor` of the page before.")]
DEFAULT_LIMIT = 20


class Page(Output, Generic[T]):
    """A part of a list; without a `next_cursor` it is the last one."""

    items: list[T]
    next_cursor: str | None = None


def cut(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Cut a page out of one row more than fits; return it with the row that the next page begins after."""
    page = rows[:limit]
    return page, page[-1] if len(rows) > limit else None


def encode(*position: object) -> str:
    """Write a position in a list as a cursor."""
    return base64.urlsafe_b64encode(to_json(position)).decode().rstrip("=")


def decode(cursor: str, shape: TypeAdapter[T]) -> T:
    """Read a cursor back.

    Raises:
        InvalidRequestError: it is no cursor of this list.
    """
    try:
        return shape.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValidationError, binascii.Error, UnicodeEncodeError, ValueError):
        raise InvalidRequestError("This is no cursor of this list", "query", "cursor") from None

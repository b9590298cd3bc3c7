"""Column types that every table shares: ids, moments, states and addresses."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Draw an id that sorts by the moment it was drawn (UUID version 7)."""
    return uuid7()


def utc_now() -> datetime:
    """Return the moment, aware and in UTC."""
    return datetime.now(UTC)


def identifier() -> Any:
    """Declare a primary key that is drawn when the row is made."""
    return Field(default_factory=new_id, primary_key=True)


def moment() -> Any:
    """Declare when the row was made."""
    return Field(
        default_factory=utc_now,
        sa_type=DateTime(timezone=True),
        nullable=False,
        sa_column_kwargs={"server_default": text("now()")},
    )


def optional_moment(*, index: bool = False) -> Any:
    """Declare a moment that may not have come yet."""
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=True, index=index)


def later_moment() -> Any:
    """Declare a moment that has to be named, and that rows are found by when it has passed."""
    return Field(sa_type=DateTime(timezone=True), nullable=False, index=True)


def document() -> Any:
    """Declare a JSON document that may be missing."""
    return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)


def one_of(column: str, values: Iterable[StrEnum], name: str) -> CheckConstraint:
    """Allow a text column these values only; states are text so that outside SQL reads them."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name)

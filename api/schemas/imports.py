"""Imports of files, as they are shown."""

from datetime import datetime
from typing import Self
from uuid import UUID

from api.schemas.fields import Output
from db.imports.files import ImportRow
from domain.merchandise import ImportState


class ImportOutcome(Output):
    """What an import has done: products that are new, changed, or were as the file says; units received."""

    new_products: int
    changed_products: int
    unchanged_products: int
    new_variants: int
    changed_variants: int
    prices: int
    units: int


class Import(Output):
    """A file that is taken over. How far it is: `read_bytes` of `size_bytes`, then `applied` of `products`."""

    id: UUID
    state: ImportState
    currency: str
    location: str
    skip_refused: bool
    size_bytes: int
    read_bytes: int
    products: int
    refused: int
    applied: int
    ignored_columns: list[str]
    outcome: ImportOutcome | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: ImportRow) -> Self:
        """Show an import as it stands."""
        return cls(
            id=row.id,
            state=row.state,
            currency=row.currency,
            location=row.location,
            skip_refused=row.skip_refused,
            size_bytes=row.size_bytes,
            read_bytes=row.read_to.offset,
            products=row.products,
            refused=row.refused,
            applied=row.applied,
            ignored_columns=list(row.ignored_columns),
            outcome=None if row.outcome is None else ImportOutcome.model_validate(row.outcome),
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


class RefusedRow(Output):
    """A row of a file that can not be taken, by the line on which it begins, and why."""

    line: int
    reason: str

"""Gathering what a file says: products that could be read, and rows that could not. Nothing is in the catalogue yet."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.imports.files import ImportOverError
from domain.merchandise import DescribedProduct, DescribedVariant, ImportState, Passage, Place, Refusal

AT_ONCE = 500
"""Products that are kept in one transaction."""

MOST_REFUSALS = 10_000
"""More refused rows than these are the same mistake again: they are counted, and not told one by one."""

_READ = text("""
UPDATE imports
SET read_bytes = :bytes, read_lines = :lines, products = products + :products, refused = refused + :refused
WHERE id = :id AND state = 'reading' AND read_bytes = :begin
RETURNING products - :products AS before, refused - :refused AS refused_before
""")

_ADD_PRODUCTS = text("""
INSERT INTO import_products (import_id, n, product)
SELECT :id, :before + n, CAST(product AS jsonb)
FROM unnest(CAST(:products AS text[])) WITH ORDINALITY AS read (product, n)
""")

_ADD_REFUSALS = text("""
INSERT INTO import_refusals (import_id, line, reason)
SELECT :id, line, reason FROM unnest(CAST(:lines AS integer[]), CAST(:reasons AS text[])) AS refused (line, reason)
""")

_UNUSABLE = "CAST(:fatal AS boolean) OR (refused > 0 AND NOT skip_refused)"

_END = text(f"""
UPDATE imports
SET state = CASE WHEN {_UNUSABLE} THEN 'refused' ELSE 'applying' END, ended_at = CASE WHEN {_UNUSABLE} THEN now() END
WHERE id = :id AND state = 'reading'
RETURNING state
""")  # noqa: S608 - a constant

_COUNT_REFUSALS = text(
    "UPDATE imports SET refused = refused + :count WHERE id = :id RETURNING refused - :count AS before"
)


def batches(passages: Iterable[Passage]) -> Iterator[list[Passage]]:
    """Gather passages to as many as are kept at once."""
    reading = iter(passages)
    while batch := list(islice(reading, AT_ONCE)):
        yield batch


async def add(session: AsyncSession, import_id: UUID, begin: Place, passages: Sequence[Passage]) -> Place:
    """Keep the next products of a file, from where it was read to before, and return how far it is read now.

    Raises:
        ImportOverError: the import was called off, or another worker has read this far.
    """
    products = [passage.product for passage in passages if passage.product is not None]
    refusals = [refusal for passage in passages for refusal in passage.refusals]
    end = passages[-1].end
    values = {"id": import_id, "begin": begin.offset, "bytes": end.offset, "lines": end.line}
    counts = {"products": len(products), "refused": len(refusals)}
    row = (await session.execute(_READ, values | counts)).one_or_none()
    if row is None:
        raise ImportOverError("the import was called off, or is read by another worker")
    documents = [json.dumps(_product(product), ensure_ascii=False) for product in products]
    await session.execute(_ADD_PRODUCTS, {"id": import_id, "before": row.before, "products": documents})
    await _keep(session, import_id, refusals, row.refused_before)
    return end


async def end(session: AsyncSession, import_id: UUID, *, fatal: bool) -> ImportState:
    """End the reading of a file, `fatal` when not all of it could be read: it is applied now, or refused.

    Raises:
        ImportOverError: the import was called off.
    """
    state = await session.scalar(_END, {"id": import_id, "fatal": fatal})
    if state is None:
        raise ImportOverError("the import was called off")
    return ImportState(state)


async def refuse(
    session: AsyncSession, import_id: UUID, refusals: Sequence[Refusal], *, number: int | None = None
) -> None:
    """Keep rows that can not be taken; they are the first of a `number`, where there are more."""
    if refusals:
        count = len(refusals) if number is None else number
        before = await session.scalar(_COUNT_REFUSALS, {"id": import_id, "count": count})
        await _keep(session, import_id, refusals, before or 0)


async def _keep(session: AsyncSession, import_id: UUID, refusals: Sequence[Refusal], before: int) -> None:
    """Write down what is told one by one of refusals, behind those `before` them."""
    refusals = refusals[: max(0, MOST_REFUSALS - before)]
    if not refusals:
        return
    lines, reasons = [refusal.line for refusal in refusals], [refusal.reason for refusal in refusals]
    await session.execute(_ADD_REFUSALS, {"id": import_id, "lines": lines, "reasons": reasons})


def _product(product: DescribedProduct) -> dict[str, Any]:
    """Write a product as `db.imports.comparing` reads it."""
    images = product.images
    return {
        "line": product.line,
        "slug": product.slug,
        "title": product.title,
        "description": product.description,
        "status": product.status,
        "category": product.category,
        "vendor": product.vendor,
        "options": product.options,
        "attributes": {name: value for name, value in product.attributes if value},
        "dropped": [name for name, value in product.attributes if not value],
        "images": None if images is None else [{"url": image.url, "alt": image.alt} for image in images],
        "seo_title": product.seo_title,
        "seo_description": product.seo_description,
        "variants": [_variant(variant) for variant in product.variants],
    }


def _variant(variant: DescribedVariant) -> dict[str, Any]:
    return {
        "line": variant.line,
        "sku": variant.sku,
        "named": variant.named,
        "title": variant.title,
        "options": dict(variant.options),
        "amount": variant.amount,
        "compare_at": variant.compare_at,
        "keeps_compare_at": variant.keeps_compare_at,
        "quantity": variant.quantity,
        "backorder": variant.backorder,
        "weight": variant.weight,
        "tax_category": variant.tax_category,
        "barcode": variant.barcode,
        "image": variant.image,
    }

"""Promotions: for staff, each edit for the version that was read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api import rule_changes
from api.deps import Needs, Read, Write
from api.errors import InvalidRequestError
from api.etags import IfMatch, tagged
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.price_rules import Promotion, PromotionContent, RuleChange
from api.security import Caller, Scope
from db import price_edits, promotions
from db.promotions import UnknownCategoriesError
from models.pricing import RuleAction, RuleKind

router = APIRouter(prefix="/v1/promotions", tags=["prices"], route_class=IdempotentRoute)

_Editor = Annotated[Caller, Depends(Needs(Scope.PRICES_WRITE))]
_POSITION = TypeAdapter(tuple[str])


@router.post("", status_code=201, responses=problems(401, 403, "name_taken"))
async def create_promotion(body: PromotionContent, response: Response, session: Write, editor: _Editor) -> Promotion:
    """Add a promotion. It holds for every cart at once."""
    try:
        promotion = await promotions.create(session, body.columns(), body.target.categories)
    except UnknownCategoriesError as unknown:
        raise _no_category(body, unknown) from None
    response.headers["Location"] = f"/v1/promotions/{promotion}"
    await rule_changes.note(session, RuleKind.PROMOTION, promotion, RuleAction.CREATED, body=body, actor=editor.actor)
    return await _shown(session, promotion, response)


@router.get("", responses=problems(401, 403))
async def list_promotions(
    session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Promotion]:
    """List promotions by code."""
    after = "" if cursor is None else decode(cursor, _POSITION)[0]
    rows, last = cut(await promotions.by_code(session, after=after, limit=limit + 1), limit)
    return Page[Promotion](
        items=[Promotion.of(row) for row in rows], next_cursor=None if last is None else encode(last.code)
    )


@router.get("/{promotion_id}", responses=problems(401, 403, 404))
async def get_promotion(promotion_id: UUID, response: Response, session: Read, _editor: _Editor) -> Promotion:
    """Show a promotion, and how often orders use its code."""
    return await _shown(session, promotion_id, response)


@router.put("/{promotion_id}", responses=problems(401, 403, 404, "name_taken", "conflict", 412, 428))
async def replace_promotion(
    *,
    promotion_id: UUID,
    body: PromotionContent,
    response: Response,
    session: Write,
    editor: _Editor,
    version: IfMatch,
) -> Promotion:
    """Make a promotion say something else. Orders keep what they were opened at; open carts show the new price."""
    await price_edits.touch(session, RuleKind.PROMOTION, promotion_id, version)
    try:
        await promotions.replace(session, promotion_id, body.columns(), body.target.categories)
    except UnknownCategoriesError as unknown:
        raise _no_category(body, unknown) from None
    await rule_changes.note(
        session, RuleKind.PROMOTION, promotion_id, RuleAction.CHANGED, body=body, actor=editor.actor
    )
    return await _shown(session, promotion_id, response)


@router.delete("/{promotion_id}", status_code=204, responses=problems(401, 403, 404, "in_use", 412, 428))
async def remove_promotion(promotion_id: UUID, session: Write, editor: _Editor, version: IfMatch) -> None:
    """Remove a promotion that no order has ever used; any other can be made inactive."""
    await price_edits.touch(session, RuleKind.PROMOTION, promotion_id, version)
    await promotions.remove(session, promotion_id, editor.actor)


@router.get("/{promotion_id}/changes", responses=problems(401, 403, 404))
async def list_promotion_changes(
    promotion_id: UUID, session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[RuleChange]:
    """List who has changed a promotion to what, newest first."""
    return await rule_changes.page(session, RuleKind.PROMOTION, promotion_id, limit, cursor)


def _no_category(body: PromotionContent, unknown: UnknownCategoriesError) -> InvalidRequestError:
    place = body.target.categories.index(unknown.slugs[0])
    return InvalidRequestError("There is no such category", "body", "target", "categories", place)


async def _shown(session: AsyncSession, promotion: UUID, response: Response) -> Promotion:
    return tagged(Promotion.of(await promotions.find(session, promotion)), response)

"""Tax rules: for staff, each edit for the version that was read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api import rule_changes
from api.deps import Needs, Read, Write
from api.etags import IfMatch, tagged
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.price_rules import RuleChange, TaxRule, TaxRuleContent
from api.security import Caller, Scope
from db import price_edits, tax_rules
from models.pricing import RuleAction, RuleKind

router = APIRouter(prefix="/v1/tax-rules", tags=["prices"], route_class=IdempotentRoute)

_Editor = Annotated[Caller, Depends(Needs(Scope.PRICES_WRITE))]
_POSITION = TypeAdapter(tuple[str, str])


@router.post("", status_code=201, responses=problems(401, 403, "name_taken"))
async def create_tax_rule(body: TaxRuleContent, response: Response, session: Write, editor: _Editor) -> TaxRule:
    """Add the tax of a country or region. It holds for every cart that goes there, at once."""
    rule = await tax_rules.create(session, body.columns())
    response.headers["Location"] = f"/v1/tax-rules/{rule}"
    await rule_changes.note(session, RuleKind.TAX_RULE, rule, RuleAction.CREATED, body=body, actor=editor.actor)
    return await _shown(session, rule, response)


@router.get("", responses=problems(401, 403))
async def list_tax_rules(
    session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[TaxRule]:
    """List tax rules by country and region."""
    after = ("", "") if cursor is None else decode(cursor, _POSITION)
    rows, last = cut(await tax_rules.by_place(session, after=after, limit=limit + 1), limit)
    return Page[TaxRule](
        items=[TaxRule.of(row) for row in rows], next_cursor=None if last is None else encode(last.country, last.region)
    )


@router.get("/{rule_id}", responses=problems(401, 403, 404))
async def get_tax_rule(rule_id: UUID, response: Response, session: Read, _editor: _Editor) -> TaxRule:
    """Show a tax rule."""
    return await _shown(session, rule_id, response)


@router.put("/{rule_id}", responses=problems(401, 403, 404, "name_taken", 412, 428))
async def replace_tax_rule(
    *, rule_id: UUID, body: TaxRuleContent, response: Response, session: Write, editor: _Editor, version: IfMatch
) -> TaxRule:
    """Make a tax rule say something else. Orders keep what they were opened at."""
    await price_edits.touch(session, RuleKind.TAX_RULE, rule_id, version)
    await tax_rules.replace(session, rule_id, body.columns())
    await rule_changes.note(session, RuleKind.TAX_RULE, rule_id, RuleAction.CHANGED, body=body, actor=editor.actor)
    return await _shown(session, rule_id, response)


@router.delete("/{rule_id}", status_code=204, responses=problems(401, 403, 404, 412, 428))
async def remove_tax_rule(rule_id: UUID, session: Write, editor: _Editor, version: IfMatch) -> None:
    """Remove a tax rule: what goes there is untaxed from then on."""
    await price_edits.touch(session, RuleKind.TAX_RULE, rule_id, version)
    await price_edits.remove(session, RuleKind.TAX_RULE, rule_id, editor.actor)


@router.get("/{rule_id}/changes", responses=problems(401, 403, 404))
async def list_tax_rule_changes(
    rule_id: UUID, session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[RuleChange]:
    """List who has changed a tax rule to what, newest first."""
    return await rule_changes.page(session, RuleKind.TAX_RULE, rule_id, limit, cursor)


async def _shown(session: AsyncSession, rule: UUID, response: Response) -> TaxRule:
    return tagged(TaxRule.of(await tax_rules.find(session, rule)), response)

"""The trail of a price rule: who made it say what, written with the edit, and as a page of a list."""

from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.lists import Page, cut, decode, encode
from api.schemas.price_rules import RuleChange
from db import price_edits
from domain.errors import NotFoundError
from models.pricing import RuleAction, RuleKind

_NEWEST = 2**62
_POSITION = TypeAdapter(tuple[int])


async def note(
    session: AsyncSession, kind: RuleKind, rule: UUID, action: RuleAction, *, body: BaseModel, actor: str
) -> None:
    """Write down who has made a rule say what."""
    await price_edits.note(session, kind, rule, action, content=body.model_dump(mode="json"), actor=actor)


async def page(session: AsyncSession, kind: RuleKind, rule: UUID, limit: int, cursor: str | None) -> Page[RuleChange]:
    """List the changes of a rule, newest first; also of one that was removed.

    Raises:
        NotFoundError: there never was such a rule.
    """
    before = _NEWEST if cursor is None else decode(cursor, _POSITION)[0]
    found = await price_edits.changes(session, kind, rule, before=before, limit=limit + 1)
    if not found and cursor is None:
        raise NotFoundError("no such rule")
    rows, last = cut(found, limit)
    return Page[RuleChange](
        items=[RuleChange.model_validate(row) for row in rows], next_cursor=None if last is None else encode(last.id)
    )

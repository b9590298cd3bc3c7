"""What edits of promotions, taxes and shipping have in common: versions, and a trail of who has changed what.

Whoever edits a rule raises its version first, which locks it and turns late edits away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, func, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import NotFoundError, PreconditionFailedError
from models.pricing import RuleAction, RuleKind

_TABLES: Mapping[RuleKind, Table] = {
    RuleKind.PROMOTION: SQLModel.metadata.tables["promotions"],
    RuleKind.TAX_RULE: SQLModel.metadata.tables["tax_rules"],
    RuleKind.SHIPPING_ZONE: SQLModel.metadata.tables["shipping_zones"],
}
_CHANGES = SQLModel.metadata.tables["price_rule_changes"]

_LIST = text("""
SELECT id, action, content, actor, created_at FROM price_rule_changes
WHERE kind = :kind AND rule_id = :rule AND id < :before
ORDER BY id DESC
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class RuleChangeRow:
    """One change of a rule: what it said from then on; nothing when it was removed."""

    id: int
    action: RuleAction
    content: Mapping[str, Any] | None
    actor: str
    created_at: datetime


async def touch(session: AsyncSession, kind: RuleKind, rule: UUID, version: int | None) -> None:
    """Raise the version of a rule, and lock it until the transaction ends. Without a version any will do.

    Raises:
        NotFoundError: there is no such rule.
        PreconditionFailedError: it has another version by now.
    """
    table = _TABLES[kind]
    wanted = func.coalesce(bindparam("wanted", version, table.c.version.type), table.c.version)
    raised = (
        update(table).where(table.c.id == rule, table.c.version == wanted).values(version=table.c.version + literal(1))
    )
    if (await session.execute(raised.returning(table.c.id))).first() is not None:
        return
    if (await session.execute(select(table.c.id).where(table.c.id == rule))).first() is None:
        raise NotFoundError("no such rule")
    raise PreconditionFailedError("somebody else has changed this rule since it was read")


async def remove(session: AsyncSession, kind: RuleKind, rule: UUID, actor: str) -> None:
    """Remove a touched rule; the trail keeps what it said."""
    table = _TABLES[kind]
    await session.execute(delete(table).where(table.c.id == rule))
    await note(session, kind, rule, RuleAction.REMOVED, content=None, actor=actor)


async def note(
    session: AsyncSession,
    kind: RuleKind,
    rule: UUID,
    action: RuleAction,
    *,
    content: Mapping[str, Any] | None,
    actor: str,
) -> None:
    """Write down what a rule says from now on, and who has said so."""
    row = {"kind": kind, "rule_id": rule, "action": action, "content": content, "actor": actor}
    await session.execute(insert(_CHANGES).values(**row))


async def changes(session: AsyncSession, kind: RuleKind, rule: UUID, *, before: int, limit: int) -> list[RuleChangeRow]:
    """List the changes of a rule, newest first, from before one of them on; also of one that was removed."""
    rows = await session.execute(_LIST, {"kind": kind, "rule": rule, "before": before, "limit": limit})
    return [RuleChangeRow(id_, RuleAction(action), content, actor, at) for id_, action, content, actor, at in rows]

"""Reconciliation of payments: its reports, and another round now."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter

from api.deps import Needs, Read, ResourcesDep
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.reconciliations import BegunReconciliation, NewReconciliation, Reconciliation
from api.security import Caller, Scope
from contracts.schedules import RECONCILIATION, WHOLE_RECONCILIATION
from db.reconciliation import reports
from domain.errors import TemporarilyUnavailableError

router = APIRouter(prefix="/v1/payments/reconciliations", tags=["payments"], route_class=IdempotentRoute)

_Accountant = Annotated[Caller, Depends(Needs(Scope.PAYMENTS_RECONCILE))]
_POSITION = TypeAdapter(tuple[datetime, UUID])
_MOST_FINDINGS = 1_000


@router.post("", status_code=202, responses=problems(401, 403, 413))
async def begin_reconciliation(
    response: Response, resources: ResourcesDep, _: _Accountant, body: NewReconciliation | None = None
) -> BegunReconciliation:
    """Begin a round now. One that was asked for and is under way is joined."""
    chore = WHOLE_RECONCILIATION if body and body.whole else RECONCILIATION
    if resources.chores is None:
        raise TemporarilyUnavailableError("chores can not be begun here")
    await resources.chores.begin(chore)
    response.headers["Location"] = router.prefix
    response.headers["Retry-After"] = "5"
    return BegunReconciliation(chore=chore.activity)


@router.get("", responses=problems(401, 403))
async def list_reconciliations(
    session: Read, _: _Accountant, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Reconciliation]:
    """List the reports, newest first, with what they have found."""
    before = None if cursor is None else decode(cursor, _POSITION)
    page, last = cut(await reports.newest(session, limit=limit + 1, before=before), limit)
    found = await reports.findings(session, [one.id for one in page], limit=_MOST_FINDINGS, parked=False)
    return Page[Reconciliation](
        items=[Reconciliation.of(report, found) for report in page],
        next_cursor=None if last is None else encode(last.began_at, last.id),
    )

"""What payment providers report: believed when it is signed, and answered when it can not be lost any more."""

from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Path
from starlette.requests import Request

from api.audience import PUBLIC
from api.deps import ResourcesDep
from api.openapi import problems
from api.schemas.webhooks import WebhookAnswer
from api.webhooks import PROVIDERS
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/webhooks", tags=["payments"], dependencies=[PUBLIC])

log = structlog.get_logger(__name__)

_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post("/{provider}", responses=problems(400, 404, 413, 503), openapi_extra=_BODY)
async def receive_event(
    request: Request,
    provider: Annotated[str, Path(max_length=50, description="`stripe`.")],
    resources: ResourcesDep,
    signature: Annotated[str, Header(alias="Stripe-Signature", max_length=5_000)] = "",
) -> WebhookAnswer:
    """Take an event: 200 once it is stored and its order has been told, 503 to have it sent again.

    An event that was taken before is answered at once. One whose order is not known, or over, or knows already or is
    about to, or that is of no interest, is taken as well.
    """
    read = PROVIDERS.get(provider)
    if read is None:
        raise NotFoundError("no such payment provider")
    reported = read(await request.body(), signature, resources.settings, datetime.now(UTC))
    state = await resources.payment_events.receive(reported)
    log.info("payment_event", provider=provider, event_id=reported.event_id, kind=reported.kind, state=state)
    return WebhookAnswer(event_id=reported.event_id, state=state)

"""What a payment provider is answered."""

from api.schemas.fields import Output
from models.webhooks import WebhookState


class WebhookAnswer(Output):
    """The event is kept: `state` says what became of it."""

    event_id: str
    state: WebhookState

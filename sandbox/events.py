"""Events: what has happened, for who asks rather than listens."""

from datetime import datetime

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.errors import no_such
from sandbox.objects import Json
from sandbox.store import Store


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one event."""
    row = await store.row("events", call.reference)
    if row is None:
        raise no_such("event", call.reference, "id")
    return Answer(200, _event(row))


async def index(store: Store, call: Call) -> Answer:
    """List events, newest first: all, or of one type."""
    rows = await store.page("events", call, "$3::text IS NULL OR type = $3", call.form.get("type"))
    return Answer(200, objects.page("/v1/events", [_event(row) for row in rows], call.limit))


def _event(row: Json) -> Json:
    created_at = datetime.fromisoformat(str(row["created_at"]))
    return objects.event(str(row["id"]), str(row["type"]), row["snapshot"], created_at)

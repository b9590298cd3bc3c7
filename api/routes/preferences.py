"""What a person wants to be told."""

from fastapi import APIRouter

from api.deps import Read, SettingsDep, UserId, Write
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.preferences import NotificationPreferences
from db import people, preferences

router = APIRouter(prefix="/v1/users/me/notification-preferences", tags=["users"], route_class=IdempotentRoute)


@router.get("", responses=problems(401, 403))
async def get_notification_preferences(
    session: Read, user_id: UserId, settings: SettingsDep
) -> NotificationPreferences:
    """Show which messages whoever is logged in gets."""
    return NotificationPreferences.of(await preferences.of_user(session, user_id), settings.channels)


@router.put("", responses=problems(401, 403, 413))
async def set_notification_preferences(
    body: NotificationPreferences, session: Write, user_id: UserId, settings: SettingsDep
) -> NotificationPreferences:
    """Choose which messages to get. Those that an account or a new order can not do without always come, by mail.

    A text message goes to the telephone number of the order, else of the account.
    """
    await people.lock(session, user_id)
    await preferences.say(session, user_id, body.wanted())
    return NotificationPreferences.of(body.wanted(), settings.channels)

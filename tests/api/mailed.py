"""What account mails hand to their reader: read off the rows that say what is owed, as the renderer does."""

from uuid import UUID

from domain.messages import AccountMessage
from domain.one_time_tokens import one_time_token
from settings import Settings
from tests.support.shop import Shop


async def messages(shop: Shop, email: str) -> list[str]:
    """Name what an address is owed, in order."""
    rows = await shop.run(
        "SELECT n.template FROM notifications n JOIN users u ON u.id = n.user_id WHERE u.email = :email ORDER BY n.id",
        email=email,
    )
    return [str(template) for (template,) in rows]


async def tokens(shop: Shop, settings: Settings, email: str, template: AccountMessage) -> list[str]:
    """Compute the tokens that an address was mailed, in order."""
    rows = await shop.run(
        "SELECT CAST(n.token_id AS text) FROM notifications n JOIN users u ON u.id = n.user_id"
        " WHERE u.email = :email AND n.template = :template ORDER BY n.id",
        email=email,
        template=template,
    )
    return [one_time_token(settings.secret, UUID(str(token_id))) for (token_id,) in rows]

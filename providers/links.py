"""Links in mails: they lead to the storefront, and hand it a token behind the `#`, which no server ever logs."""

from collections.abc import Mapping
from uuid import UUID

from domain.messages import AccountMessage
from domain.one_time_tokens import one_time_token

_PAGES: Mapping[str, str] = {
    AccountMessage.VERIFY_EMAIL: "/verify-email",
    AccountMessage.ALREADY_REGISTERED: "/login",
    AccountMessage.PASSWORD_RESET: "/reset-password",
    AccountMessage.PASSWORD_CHANGED: "/forgot-password",
}


class StorefrontLinks:
    """Satisfies `Links`. `docs/accounts.md` tells which pages a storefront has to have."""

    def __init__(self, storefront_url: str, secret: str) -> None:
        self._storefront_url = storefront_url.rstrip("/")
        self._secret = secret

    def of(self, template: str, token_id: UUID | None) -> str:
        """Return the address that a template links to."""
        page = self._storefront_url + _PAGES.get(template, "/")
        return page if token_id is None else f"{page}#token={one_time_token(self._secret, token_id)}"

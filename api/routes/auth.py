"""Accounts and log-ins. No answer tells whether an e-mail address has an account, by its words or by its time."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from api import registrations
from api.access_tokens import ACCESS_LIFE
from api.audience import PUBLIC
from api.bodies import BodyRoute
from api.client_address import ClientAddress, household
from api.deps import OutboxDep, ResourcesDep, Write
from api.logins import TokenPair
from api.openapi import problems
from api.schemas.accounts import (
    Accepted,
    EmailVerification,
    KeySet,
    NewAccount,
    PasswordGrant,
    PasswordReset,
    PasswordResetRequest,
    RefreshTokenShown,
    Tokens,
)
from db.links import Registration

router = APIRouter(tags=["users"], dependencies=[PUBLIC], route_class=BodyRoute)

_WITH_A_LINK = problems("link_not_valid")


@router.post("/v1/auth/register", status_code=202)
async def register(
    body: NewAccount, session: Write, outbox: OutboxDep, resources: ResourcesDep, address: ClientAddress
) -> Accepted:
    """Ask for an account: it can be used once the link in the mail was followed."""
    await resources.login_limits.admit_address(household(address))
    await registrations.refuse_easy(resources.passwords, body.password, "password", body.email, body.name)
    chosen = Registration(await resources.passwords.hash(body.password), body.name, body.phone, body.locale)
    outbox.post(await registrations.register(session, resources.settings.secret, body.email, chosen))
    return Accepted()


@router.post("/v1/auth/verify-email", status_code=204, responses=_WITH_A_LINK)
async def verify_email(body: EmailVerification, session: Write) -> None:
    """Confirm a registration with the token out of the mail. Its password is the one that was chosen there."""
    await registrations.verify_email(session, body.token)


@router.post("/v1/auth/token", responses=problems(401))
async def log_in(
    form: Annotated[PasswordGrant, Form()], response: Response, resources: ResourcesDep, address: ClientAddress
) -> Tokens:
    """Log in with e-mail and password (OAuth 2.0, password grant)."""
    return _shown(await resources.logins.log_in(form.username, form.password, household(address)), response)


@router.post("/v1/auth/refresh", responses=problems(401))
async def refresh(body: RefreshTokenShown, response: Response, resources: ResourcesDep) -> Tokens:
    """Exchange a refresh token for new tokens. It works once; a second time ends the whole session."""
    return _shown(await resources.logins.refresh(body.refresh_token), response)


@router.post("/v1/auth/logout", status_code=204)
async def log_out(body: RefreshTokenShown, resources: ResourcesDep) -> None:
    """End the session of a refresh token. It need not be known."""
    await resources.logins.log_out(body.refresh_token)


@router.post("/v1/auth/password-reset", status_code=202)
async def ask_for_password_reset(
    body: PasswordResetRequest, session: Write, outbox: OutboxDep, resources: ResourcesDep, address: ClientAddress
) -> Accepted:
    """Ask for a mail with a link that lets its reader choose another password."""
    await resources.login_limits.admit_address(household(address))
    outbox.post(await registrations.ask_for_reset(session, resources.settings.secret, body.email))
    return Accepted()


@router.post("/v1/auth/password-reset/confirm", status_code=204, responses=_WITH_A_LINK)
async def reset_password(
    body: PasswordReset, session: Write, outbox: OutboxDep, resources: ResourcesDep, address: ClientAddress
) -> None:
    """Choose another password with the token out of the mail. Every session ends."""
    async with resources.sessions() as looking:
        user = await registrations.reader_of_reset(looking, body.token)
    await registrations.refuse_easy(resources.passwords, body.new_password, "new_password", user.email, user.name)
    outbox.post(
        await registrations.reset_password(session, body.token, await resources.passwords.hash(body.new_password))
    )
    await resources.login_limits.trust(session, user.email, household(address))


@router.get("/.well-known/jwks.json")
async def list_keys(response: Response, resources: ResourcesDep) -> KeySet:
    """Publish the keys that access tokens are signed with, also those that sign soon."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return KeySet(keys=[key.jwk for key in await resources.keyring.published()])


def _shown(pair: TokenPair, response: Response) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(access_token=pair.access, refresh_token=pair.refresh, expires_in=int(ACCESS_LIFE.total_seconds()))

"""People with accounts, written as the API would have written them, and logged in: as a customer or as staff.

people = People(create_sessions(engine), settings)
ada = await people.customer()
clerk = await people.staff(Role.SUPPORT, Role.WAREHOUSE)
await client.get("/v1/users/me", headers=ada.headers)
"""

from dataclasses import dataclass
from uuid import UUID

from api.access_tokens import AccessTokens, Identity
from api.passwords import Passwords
from api.security import digest, new_secret
from api.signing_keys import Keyring
from db import sessions, users
from db.engine import Sessions
from domain.roles import Role
from models.columns import new_id
from settings import Settings

PASSWORD = "zebra-crossing-at-dawn-93"


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in. `headers` show the access token."""

    id: UUID
    email: str
    password: str
    session_id: UUID
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


class People:
    """Makes people in one database, whose tokens are those that an API with these settings accepts."""

    def __init__(self, opens: Sessions, settings: Settings) -> None:
        self.sessions = opens
        self._passwords = Passwords(settings.password_memory_kib, settings.password_passes)
        self._tokens = AccessTokens(Keyring(opens, settings.secret), settings.token_issuer, settings.token_audience)

    async def customer(self, email: str = "", *, name: str | None = None, password: str = PASSWORD) -> Person:
        """Make somebody with an account and no role."""
        return await self._person(email, name, password, ())

    async def staff(self, *roles: Role, email: str = "", name: str | None = None, password: str = PASSWORD) -> Person:
        """Make somebody with roles."""
        return await self._person(email, name, password, roles)

    async def logged_in(self, person: Person, *roles: Role) -> Person:
        """Log somebody in once more."""
        return await self._session(person.id, person.email, person.password, roles)

    async def _person(self, email: str, name: str | None, password: str, roles: tuple[Role, ...]) -> Person:
        address = email or f"person-{new_id().hex[-12:]}@example.com"
        hashed = await self._passwords.hash(password)
        async with self.sessions.begin() as session:
            user_id = await users.create(session, address, hashed, name=name, roles=roles)
        assert user_id is not None, f"{address} is taken"
        return await self._session(user_id, address, password, roles)

    async def _session(self, user_id: UUID, email: str, password: str, roles: tuple[Role, ...]) -> Person:
        refresh = new_secret()
        async with self.sessions.begin() as session:
            session_id = await sessions.begin(session, user_id, digest(refresh))
        assert session_id is not None, f"{email} is erased"
        access = await self._tokens.issue(Identity(user_id, session_id, frozenset(roles)))
        return Person(user_id, email, password, session_id, access, refresh)

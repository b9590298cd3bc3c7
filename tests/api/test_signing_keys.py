"""Keys: made once, published before they sign, encrypted where they are kept, gone when their tokens are."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import signing_keys as keys
from api.access_tokens import ACCESS_LIFE, KEY_OUTLIVES, AccessTokens, Identity
from api.signing_keys import Keyring, draw, opened
from db import signing_keys
from db.engine import Sessions, create_engine, create_sessions
from db.signing_keys import SigningKeyRow
from domain.errors import UnauthenticatedError
from settings import SettingsError
from tests.api.answers import body
from tests.support.people import People, Person
from tests.support.postgres import PostgresForTests

SECRET = "the-secret-of-this-installation-is-this"
OVERLAP = timedelta(minutes=5)
ADA = Identity(uuid4(), uuid4(), frozenset())


@pytest.fixture
async def sessions(postgres: PostgresForTests) -> AsyncIterator[Sessions]:
    """A database without any key."""
    engine = create_engine(postgres.migrated(), pool_size=10)
    yield create_sessions(engine)
    await engine.dispose()


def process(sessions: Sessions, secret: str = SECRET) -> AccessTokens:
    """A process of the API, as far as tokens go."""
    return AccessTokens(Keyring(sessions, secret), "everorder", "everorder")


async def live(sessions: Sessions) -> list[SigningKeyRow]:
    async with sessions() as session:
        return await signing_keys.live(session)


async def rotate(sessions: Sessions, overlap: timedelta = OVERLAP) -> SigningKeyRow | None:
    async with sessions.begin() as session:
        return await signing_keys.add_next(session, draw(SECRET), overlap=overlap, outlives=KEY_OUTLIVES)


async def time_passes(sessions: Sessions, interval: timedelta) -> None:
    async with sessions.begin() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "UPDATE signing_keys SET signs_from = signs_from - $1::interval, ends_at = ends_at - $1::interval",
            (interval,),
        )


def kid(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


async def test_many_processes_that_begin_at_once_agree_on_one_key(sessions: Sessions) -> None:
    processes = [process(sessions) for _ in range(8)]
    tokens = await asyncio.gather(*(one.issue(ADA) for one in processes))
    [key] = await live(sessions)
    assert {kid(token) for token in tokens} == {key.kid}
    assert [await one.check(token) for one, token in zip(processes, reversed(tokens), strict=True)] == [ADA] * 8


async def test_a_private_key_is_kept_encrypted_and_for_its_own_kid(sessions: Sessions) -> None:
    await process(sessions).issue(ADA)
    [key] = await live(sessions)
    private = opened(key, SECRET)
    assert private.private_bytes_raw() not in key.private_key
    assert private.public_key().public_bytes_raw() == key.public_key
    moved = SigningKeyRow("another", key.public_key, key.private_key, key.created_at, key.signs_from, None)
    for wrong, secret in ((key, SECRET[::-1]), (moved, SECRET)):
        with pytest.raises(SettingsError, match=f"EVERORDER_SECRET: .* signing key {wrong.kid} .* --compromised"):
            opened(wrong, secret)


async def test_a_process_with_another_secret_verifies_and_does_not_sign(sessions: Sessions) -> None:
    token = await process(sessions).issue(ADA)
    other = process(sessions, SECRET[::-1])
    assert await other.check(token) == ADA
    with pytest.raises(SettingsError, match="EVERORDER_SECRET"):
        await other.issue(ADA)
    assert len(await live(sessions)) == 1


async def test_the_next_key_is_published_before_it_signs_and_the_last_one_verifies_until_its_tokens_end(
    sessions: Sessions,
) -> None:
    running = process(sessions)
    early = await running.issue(ADA)
    added = await rotate(sessions)
    assert added is not None
    first, second = await live(sessions)
    assert second.kid == added.kid
    assert first.ends_at == second.signs_from + KEY_OUTLIVES
    assert KEY_OUTLIVES > ACCESS_LIFE
    assert second.ends_at is None

    published = [key.kid for key in await Keyring(sessions, SECRET).published()]
    assert published == [first.kid, second.kid]
    assert kid(await process(sessions).issue(ADA)) == first.kid

    await time_passes(sessions, OVERLAP)
    late = await process(sessions).issue(ADA)
    assert kid(late) == second.kid
    assert await process(sessions).check(early) == ADA

    await time_passes(sessions, KEY_OUTLIVES)
    with pytest.raises(UnauthenticatedError):
        await process(sessions).check(early)
    assert await process(sessions).check(late) == ADA
    assert [key.kid for key in await Keyring(sessions, SECRET).published()] == [second.kid]


async def test_one_next_key_at_a_time(sessions: Sessions) -> None:
    await process(sessions).issue(ADA)
    added = await asyncio.gather(*(rotate(sessions) for _ in range(5)))
    assert sum(one is not None for one in added) == 1
    assert len(await live(sessions)) == 2


async def test_a_running_process_notices_a_new_key_when_it_is_shown_a_token_of_it(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process(sessions)
    await running.issue(ADA)
    await rotate(sessions, timedelta(0))
    token = await process(sessions).issue(ADA)
    monkeypatch.setattr(keys, "_PATIENCE", 0.0)
    assert await running.check(token) == ADA


async def test_kids_that_nobody_knows_do_not_make_a_process_ask_each_time(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process(sessions)
    token = await running.issue(ADA)
    await rotate(sessions, timedelta(0))
    other = await process(sessions).issue(ADA)
    asked = 0
    live = signing_keys.live

    async def counted(session: object) -> list[SigningKeyRow]:
        nonlocal asked
        asked += 1
        return await live(session)  # type: ignore[arg-type]

    monkeypatch.setattr(signing_keys, "live", counted)
    for _ in range(50):
        with pytest.raises(UnauthenticatedError):
            await running.check(other)  # read less than a second ago: not now
    assert asked == 0
    assert await running.check(token) == ADA


async def test_a_key_that_was_seen_is_void_at_once(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    running = process(sessions)
    token = await running.issue(ADA)
    await rotate(sessions)
    async with sessions.begin() as session:
        await signing_keys.replace_all(session, draw(SECRET))
    assert len(await live(sessions)) == 1
    with pytest.raises(UnauthenticatedError):
        await process(sessions).check(token)
    monkeypatch.setattr(keys, "STALE", 0.0)
    with pytest.raises(UnauthenticatedError):
        await running.check(token)
    assert await running.check(await running.issue(ADA)) == ADA


async def test_keys_that_have_ended_are_forgotten(sessions: Sessions) -> None:
    await process(sessions).issue(ADA)
    await rotate(sessions)
    await time_passes(sessions, OVERLAP + KEY_OUTLIVES + timedelta(seconds=1))
    async with sessions.begin() as session:
        assert await signing_keys.forget_ended(session) == 1
        assert await signing_keys.forget_ended(session) == 0
    assert len(await live(sessions)) == 1


async def test_anybody_can_verify_a_token_with_what_is_published(guest: httpx2.AsyncClient, people: People) -> None:
    ada: Person = await people.customer()
    answer = await guest.get("/.well-known/jwks.json")
    [jwk] = [jwk for jwk in body(answer)["keys"] if jwk["kid"] == kid(ada.access_token)]
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert set(jwk) == {"kty", "crv", "use", "alg", "kid", "x"}
    claims = jwt.decode(
        ada.access_token, jwt.PyJWK(jwk), algorithms=["EdDSA"], audience="everorder", issuer="everorder"
    )
    assert claims["sub"] == str(ada.id)
    assert datetime.fromtimestamp(claims["exp"], UTC) - datetime.fromtimestamp(claims["iat"], UTC) == ACCESS_LIFE
    header, payload, signature = ada.access_token.split(".")
    Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(jwk["x"] + "=")).verify(
        urlsafe_b64decode(signature + "=="), f"{header}.{payload}".encode()
    )

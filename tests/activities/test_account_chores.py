from collections.abc import AsyncIterator

import pytest
from temporalio.testing import ActivityEnvironment

from activities.accounts import AccountChores
from settings import Settings
from tests.support.people import People
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

TABLES = (
    "users",
    "one_time_tokens",
    "user_sessions",
    "refresh_tokens",
    "login_allowances",
    "login_origins",
    "signing_keys",
)
LINK = "INSERT INTO one_time_tokens (id, user_id, purpose, digest, expires_at)"


@pytest.fixture
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated()) as shop:
        yield shop


async def expire(shop: Shop) -> int:
    forgotten: int = await ActivityEnvironment().run(AccountChores(shop.sessions).expire)
    return forgotten


async def counts(shop: Shop) -> dict[str, object]:
    return {table: (await shop.run(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES}


@pytest.fixture
async def ada(shop: Shop, postgres: PostgresForTests) -> None:
    """Somebody who is logged in, has used a refresh token, has asked for a link, and has mistyped a password."""
    people = People(shop.sessions, Settings.model_validate({"DATABASE_URL": "postgresql://unused", "_env_file": None}))
    ada = await people.customer()
    for statement in (
        "INSERT INTO refresh_tokens (digest, session_id, used_at) SELECT 'used', id, now() FROM user_sessions",
        f"{LINK} SELECT id, id, 'reset_password', 'link', now() + interval '1 hour' FROM users",
        "INSERT INTO login_allowances (key, full_at) VALUES ('account:ada', now() + interval '1 minute')",
        "INSERT INTO login_origins (account, address, expires_at) VALUES ('ada', 'home', now() + interval '1 day')",
        "INSERT INTO users (id, email) VALUES (uuidv7(), 'eve@example.com')",
    ):
        await shop.run(statement)
    assert ada.email


async def test_what_has_not_ended_is_kept(shop: Shop, ada: None) -> None:
    before = await counts(shop)
    assert await expire(shop) == 0
    assert await counts(shop) == before


async def test_what_has_ended_is_forgotten_and_people_with_an_account_are_not(shop: Shop, ada: None) -> None:
    for statement in (
        "UPDATE user_sessions SET expires_at = now()",
        "UPDATE one_time_tokens SET expires_at = now()",
        "UPDATE login_allowances SET full_at = now()",
        "UPDATE login_origins SET expires_at = now()",
        "UPDATE users SET created_at = now() - interval '2 days'",
        "INSERT INTO signing_keys (kid, public_key, private_key, ends_at) VALUES ('old', '', '', now())",
    ):
        await shop.run(statement)
    assert await expire(shop) == 6  # a session, a link, a registration, a count, an origin, a key
    assert await counts(shop) == dict.fromkeys(TABLES, 0) | {"users": 1, "signing_keys": 1}
    assert await expire(shop) == 0


async def test_tokens_that_were_used_long_ago_are_forgotten_while_their_session_lasts(shop: Shop, ada: None) -> None:
    await shop.run("UPDATE refresh_tokens SET used_at = now() - interval '31 days' WHERE used_at IS NOT NULL")
    assert await expire(shop) == 1
    assert await shop.run("SELECT used_at FROM refresh_tokens") == [(None,)]


async def test_an_unconfirmed_registration_is_kept_while_a_link_can_confirm_it(shop: Shop, ada: None) -> None:
    await shop.run("UPDATE users SET created_at = now() - interval '2 days'")
    await shop.run(
        f"{LINK} SELECT id, id, 'verify_email', 'another', now() + interval '1 hour' FROM users"
        " WHERE email = 'eve@example.com'"
    )
    assert await expire(shop) == 0


async def test_many_rows_are_forgotten_in_several_transactions(shop: Shop, ada: None) -> None:
    await shop.run(
        "INSERT INTO login_allowances (key, full_at)"
        " SELECT 'account:' || n, now() - interval '1 day' FROM generate_series(1, 5000) AS n"
    )
    assert await expire(shop) == 5_000
    assert await shop.run("SELECT key FROM login_allowances") == [("account:ada",)]

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx2
import jwt
import pytest

from api.security import digest
from domain.roles import Role
from models.columns import new_id
from tests.api.answers import body, locations, problem
from tests.support.people import PASSWORD, People, Person
from tests.support.shop import Shop


async def log_in(guest: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    return await guest.post("/v1/auth/token", data={"grant_type": "password", "username": email, "password": password})


async def refresh(guest: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await guest.post("/v1/auth/refresh", json={"refresh_token": token})


async def me(guest: httpx2.AsyncClient, access_token: str) -> httpx2.Response:
    return await guest.get("/v1/users/me", headers={"Authorization": f"Bearer {access_token}"})


async def later(shop: Shop, session_id: UUID) -> None:
    """Let so much time go by that no grace is left."""
    await shop.run(
        "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE session_id = :id", id=session_id
    )


async def revoked(shop: Shop, session_id: UUID) -> bool:
    [(moment,)] = await shop.run("SELECT revoked_at FROM user_sessions WHERE id = :id", id=session_id)
    return moment is not None


async def test_a_log_in_gives_tokens_that_are_kept_nowhere(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.staff(Role.SUPPORT)
    answer = await log_in(guest, ada.email)
    tokens = body(answer)
    assert answer.headers["cache-control"] == "no-store"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "sub", "sid", "roles", "iat", "nbf", "exp", "jti"}
    assert (claims["sub"], claims["roles"], claims["iss"], claims["aud"]) == (
        str(ada.id),
        ["support"],
        "everorder",
        "everorder",
    )
    assert claims["exp"] - claims["iat"] == 600
    assert await shop.run(
        "SELECT CAST(session_id AS text), used_at FROM refresh_tokens WHERE digest = :digest",
        digest=digest(tokens["refresh_token"]),
    ) == [(claims["sid"], None)]
    for table in ("refresh_tokens", "user_sessions", "users"):
        assert tokens["refresh_token"] not in str(await shop.run(f"SELECT * FROM {table}"))


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"username": "ada@example.com"}, "password"),
        ({"password": PASSWORD}, "username"),
        ({"username": "nobody", "password": PASSWORD}, "username"),
        ({"username": "ada@example.com", "password": "x" * 1_001}, "password"),
        ({"username": "ada@example.com", "password": PASSWORD, "grant_type": "client_credentials"}, "grant_type"),
    ],
)
async def test_a_form_that_is_not_whole_is_told(guest: httpx2.AsyncClient, form: dict[str, str], wrong: str) -> None:
    document = problem(await guest.post("/v1/auth/token", data=form), 422, "validation_error")
    assert locations(document) == [["body", wrong]]


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    guest: httpx2.AsyncClient, people: People
) -> None:
    ada = await people.customer()
    answers = [
        await log_in(guest, ada.email, "not-her-password-11"),
        await log_in(guest, f"nobody-{new_id().hex}@example.com"),
    ]
    documents = [problem(answer, 401, "unauthenticated") for answer in answers]
    assert documents[0] == documents[1]


async def test_each_refresh_gives_the_next_token_and_the_roles_of_today(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    tokens = body(await refresh(guest, ada.refresh_token))
    assert tokens["refresh_token"] != ada.refresh_token
    await shop.run("UPDATE users SET roles = '{warehouse}' WHERE id = :id", id=ada.id)
    tokens = body(await refresh(guest, tokens["refresh_token"]))
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["sid"], claims["roles"]) == (str(ada.id), str(ada.session_id), ["warehouse"])
    assert body(await me(guest, tokens["access_token"]))["roles"] == ["warehouse"]


async def test_a_token_that_is_used_again_ends_its_session_and_no_other(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    elsewhere = await people.logged_in(ada)
    following = body(await refresh(guest, ada.refresh_token))["refresh_token"]
    await later(shop, ada.session_id)

    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")
    problem(await refresh(guest, following), 401, "unauthenticated")
    assert await revoked(shop, ada.session_id)
    assert not await revoked(shop, elsewhere.session_id)
    body(await refresh(guest, elsewhere.refresh_token))


async def test_a_lost_answer_is_given_again_for_a_moment(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada = await people.customer()
    first = body(await refresh(guest, ada.refresh_token))
    again = body(await refresh(guest, ada.refresh_token))
    assert again["refresh_token"] == first["refresh_token"]
    assert await shop.run(
        "SELECT count(*), count(used_at) FROM refresh_tokens WHERE session_id = :id", id=ada.session_id
    ) == [(2, 1)]
    body(await refresh(guest, first["refresh_token"]))


async def test_the_moment_ends_when_the_next_token_is_used(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    following = body(await refresh(guest, ada.refresh_token))["refresh_token"]
    body(await refresh(guest, following))
    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")
    assert await revoked(shop, ada.session_id)


async def test_a_thief_and_the_owner_do_not_both_go_on(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada = await people.customer()
    stolen = ada.refresh_token
    thief = body(await refresh(guest, stolen))["refresh_token"]
    await later(shop, ada.session_id)
    thief = body(await refresh(guest, thief))["refresh_token"]
    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")  # the owner, who only now goes on
    problem(await refresh(guest, thief), 401, "unauthenticated")


async def test_of_refreshes_at_once_one_wins_and_the_others_get_the_same(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    answers = await asyncio.gather(*(refresh(guest, ada.refresh_token) for _ in range(8)))
    assert len({body(answer)["refresh_token"] for answer in answers}) == 1
    assert await shop.run(
        "SELECT count(*), count(used_at) FROM refresh_tokens WHERE session_id = :id", id=ada.session_id
    ) == [(2, 1)]
    assert not await revoked(shop, ada.session_id)


@pytest.mark.parametrize("token", ["x", "' OR 1=1 --", "a" * 200, "\x00", "é"])
async def test_a_refresh_token_that_nobody_was_given_is_refused(guest: httpx2.AsyncClient, token: str) -> None:
    problem(await refresh(guest, token), 401, "unauthenticated")


async def test_an_access_token_refreshes_nothing(guest: httpx2.AsyncClient, people: People) -> None:
    ada = await people.customer()
    problem(await refresh(guest, ada.access_token), 422, "validation_error")
    problem(await refresh(guest, ada.access_token.split(".")[2]), 401, "unauthenticated")


async def test_a_session_that_was_not_used_for_thirty_days_is_over(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    assert await shop.run("SELECT expires_at - used_at FROM user_sessions WHERE id = :id", id=ada.session_id) == [
        (timedelta(days=30),)
    ]
    await shop.run("UPDATE user_sessions SET expires_at = now() WHERE id = :id", id=ada.session_id)
    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")


async def test_who_logs_out_goes_on_nowhere_with_that_session(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    elsewhere = await people.logged_in(ada)
    for _ in range(2):
        answer = await guest.post("/v1/auth/logout", json={"refresh_token": ada.refresh_token})
        assert answer.status_code == 204
    assert (await guest.post("/v1/auth/logout", json={"refresh_token": "unknown"})).status_code == 204
    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")
    body(await refresh(guest, elsewhere.refresh_token))


async def test_a_log_out_with_a_token_that_was_used_ends_the_session_too(
    guest: httpx2.AsyncClient, people: People
) -> None:
    ada = await people.customer()
    following = body(await refresh(guest, ada.refresh_token))["refresh_token"]
    await guest.post("/v1/auth/logout", json={"refresh_token": ada.refresh_token})
    problem(await refresh(guest, following), 401, "unauthenticated")


async def change_password(guest: httpx2.AsyncClient, ada: Person, current: str, new: str) -> httpx2.Response:
    content = {"current_password": current, "new_password": new}
    return await guest.post("/v1/users/me/password", json=content, headers=ada.headers)


async def test_a_changed_password_ends_every_other_session(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    elsewhere = await people.logged_in(ada)
    new = "an-orange-gondola-58"
    assert (await change_password(guest, ada, ada.password, new)).status_code == 204
    problem(await refresh(guest, elsewhere.refresh_token), 401, "unauthenticated")
    body(await refresh(guest, ada.refresh_token))
    problem(await log_in(guest, ada.email, ada.password), 401, "unauthenticated")
    body(await log_in(guest, ada.email, new))
    assert await shop.run("SELECT template FROM notifications WHERE user_id = :id", id=ada.id) == [
        ("password_changed",)
    ]


async def test_a_password_is_changed_only_by_who_knows_it_and_to_one_that_holds(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer(name="Ada Lovelace")
    elsewhere = await people.logged_in(ada)
    problem(await change_password(guest, ada, "not-her-password-11", "an-orange-gondola-58"), 403, "forbidden")
    document = problem(await change_password(guest, ada, ada.password, "ada-lovelace"), 422, "validation_error")
    assert locations(document) == [["body", "new_password"]]
    body(await log_in(guest, ada.email, ada.password))
    body(await refresh(guest, elsewhere.refresh_token))
    assert await shop.run("SELECT id FROM notifications WHERE user_id = :id", id=ada.id) == []


async def test_a_log_in_with_the_old_password_that_ends_after_the_change_begins_no_session(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    answers = await asyncio.gather(
        change_password(guest, ada, ada.password, "an-orange-gondola-58"),
        *(log_in(guest, ada.email, ada.password) for _ in range(5)),
    )
    assert answers[0].status_code == 204
    begun = [answer.json()["refresh_token"] for answer in answers[1:] if answer.status_code == 200]
    for token in begun:
        problem(await refresh(guest, token), 401, "unauthenticated")
    assert (
        await shop.run(
            "SELECT id FROM user_sessions WHERE user_id = :id AND revoked_at IS NULL AND id <> :own",
            id=ada.id,
            own=ada.session_id,
        )
        == []
    )


async def test_a_profile_is_changed_in_what_was_named(guest: httpx2.AsyncClient, people: People) -> None:
    ada = await people.customer(name="Ada")
    first = body(await guest.get("/v1/users/me", headers=ada.headers))
    changed = body(
        await guest.patch("/v1/users/me", headers=ada.headers, json={"phone": "+441904000000", "locale": "en-GB"})
    )
    assert changed == first | {"phone": "+441904000000", "locale": "en-GB"}
    assert body(await guest.patch("/v1/users/me", headers=ada.headers, json={"phone": None})) == first | {
        "locale": "en-GB"
    }
    assert body(await guest.patch("/v1/users/me", headers=ada.headers, json={})) == first | {"locale": "en-GB"}


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["admin"]},
        {"email": "other@example.com"},
        {"id": str(new_id())},
        {"password_hash": "x"},
        {"email_verified_at": None},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"phone": "0800"},
        {"locale": "english"},
        {"name": ""},
        {"name": "Ada\r\nBcc: everybody@example.com"},
    ],
)
async def test_what_a_person_may_not_decide_is_refused_whole(
    guest: httpx2.AsyncClient, shop: Shop, people: People, change: dict[str, object]
) -> None:
    ada = await people.customer(name="Ada")
    before = await shop.run("SELECT * FROM users WHERE id = :id", id=ada.id)
    answer = await guest.patch("/v1/users/me", headers=ada.headers, json={"locale": "en", "name": "Eve"} | change)
    document = problem(answer, 422, "validation_error")
    assert locations(document) == [["body", *change]]
    assert await shop.run("SELECT * FROM users WHERE id = :id", id=ada.id) == before


async def test_an_account_is_for_who_has_one(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    for method, path in (("GET", "/v1/users/me"), ("PATCH", "/v1/users/me"), ("POST", "/v1/users/me/password")):
        content: dict[str, object] | None = None if method == "GET" else {}
        problem(await guest.request(method, path, json=content), 401, "unauthenticated")
        problem(await staff.request(method, path, json=content), 403, "forbidden")


async def test_an_erased_person_is_nobody(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada = await people.customer()
    await shop.run("UPDATE users SET erased_at = now(), email = NULL, password_hash = NULL WHERE id = :id", id=ada.id)
    problem(await me(guest, ada.access_token), 401, "unauthenticated")
    problem(await refresh(guest, ada.refresh_token), 401, "unauthenticated")
    problem(await log_in(guest, ada.email), 401, "unauthenticated")
    problem(await change_password(guest, ada, ada.password, "an-orange-gondola-58"), 401, "unauthenticated")

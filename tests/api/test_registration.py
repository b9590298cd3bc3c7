import asyncio
from typing import Any

import httpx2
import pytest

from api.passwords import Passwords
from domain.messages import AccountMessage
from models.columns import new_id
from settings import Settings
from tests.api import mailed
from tests.api.answers import body, locations, problem
from tests.support.people import PASSWORD, People
from tests.support.shop import Shop

OTHER_PASSWORD = "a-violet-submarine-71"
MISTYPED = "A-violet-submarine-71"


def new_email() -> str:
    return f"someone-{new_id().hex[-12:]}@example.com"


async def register(guest: httpx2.AsyncClient, email: str, password: str = PASSWORD, **more: Any) -> None:
    answer = await guest.post("/v1/auth/register", json={"email": email, "password": password, **more})
    assert body(answer, 202) == {"status": "accepted"}


async def log_in(guest: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    form = {"grant_type": "password", "username": email, "password": password}
    return await guest.post("/v1/auth/token", data=form)


async def verify(guest: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await guest.post("/v1/auth/verify-email", json={"token": token})


async def test_who_follows_the_link_has_an_account_with_what_was_chosen(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings
) -> None:
    email = new_email()
    await register(guest, f"  {email.upper()} ", name="Ada Lovelace", phone="+441904000000", locale="en-GB")
    [token] = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)
    assert (await verify(guest, token)).status_code == 204

    tokens = body(await log_in(guest, email))
    assert (tokens["token_type"], tokens["expires_in"], set(tokens)) == (
        "Bearer",
        600,
        {"access_token", "refresh_token", "token_type", "expires_in"},
    )
    profile = body(await guest.get("/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}))
    assert {name: profile[name] for name in ("email", "name", "phone", "locale", "roles")} == {
        "email": email,
        "name": "Ada Lovelace",
        "phone": "+441904000000",
        "locale": "en-GB",
        "roles": [],
    }
    assert await mailed.messages(shop, email) == ["verify_email"]


async def test_nobody_logs_in_before_the_address_is_confirmed(guest: httpx2.AsyncClient, shop: Shop) -> None:
    email = new_email()
    await register(guest, email)
    problem(await log_in(guest, email), 401, "unauthenticated")
    assert await shop.run("SELECT password_hash, email_verified_at FROM users WHERE email = :email", email=email) == [
        (None, None)
    ]


async def test_a_link_works_once_even_when_it_is_followed_twice_at_once(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings
) -> None:
    email = new_email()
    await register(guest, email)
    [token] = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)
    answers = await asyncio.gather(*(verify(guest, token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422, 422]
    problem(await verify(guest, token), 422, "link_not_valid")


async def test_a_link_that_has_run_out_or_was_never_sent_confirms_nothing(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings
) -> None:
    email = new_email()
    await register(guest, email)
    [token] = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)
    await shop.run(
        "UPDATE one_time_tokens SET expires_at = now() WHERE user_id = (SELECT id FROM users WHERE email = :email)",
        email=email,
    )
    for wrong in (token, token[:-1], token + "A", "x", "' OR 1=1 --"):
        problem(await verify(guest, wrong), 422, "link_not_valid")
    problem(await log_in(guest, email), 401, "unauthenticated")


async def test_a_link_for_another_purpose_confirms_nothing(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings, people: People
) -> None:
    ada = await people.customer()
    await guest.post("/v1/auth/password-reset", json={"email": ada.email})
    [reset] = await mailed.tokens(shop, settings, ada.email, AccountMessage.PASSWORD_RESET)
    problem(await verify(guest, reset), 422, "link_not_valid")

    email = new_email()
    await register(guest, email)
    [confirm] = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)
    content = {"token": confirm, "new_password": OTHER_PASSWORD}
    problem(await guest.post("/v1/auth/password-reset/confirm", json=content), 422, "link_not_valid")


async def test_each_link_brings_the_password_of_its_own_registration(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings
) -> None:
    email = new_email()
    await register(guest, email, PASSWORD, name="Ada")
    await register(guest, email, OTHER_PASSWORD, name="Somebody who knows her address")
    first, second = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)

    assert (await verify(guest, first)).status_code == 204
    problem(await verify(guest, second), 422, "link_not_valid")
    body(await log_in(guest, email, PASSWORD))
    problem(await log_in(guest, email, OTHER_PASSWORD), 401, "unauthenticated")
    assert await shop.run("SELECT name FROM users WHERE email = :email", email=email) == [("Ada",)]


async def test_who_registers_again_is_told_by_mail_alone_and_changes_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer(name="Ada")
    await register(guest, ada.email, OTHER_PASSWORD, name="Somebody else")
    assert await mailed.messages(shop, ada.email) == ["already_registered"]
    assert await shop.run("SELECT name FROM users WHERE email = :email", email=ada.email) == [("Ada",)]
    body(await log_in(guest, ada.email, ada.password))
    problem(await log_in(guest, ada.email, OTHER_PASSWORD), 401, "unauthenticated")


async def test_many_registrations_at_once_make_one_account(guest: httpx2.AsyncClient, shop: Shop) -> None:
    email = new_email()
    await asyncio.gather(*(register(guest, email) for _ in range(10)))
    assert await shop.run("SELECT count(*) FROM users WHERE email = :email", email=email) == [(1,)]
    assert await mailed.messages(shop, email) == ["verify_email"] * 5  # no more than these within an hour


@pytest.mark.parametrize(
    "password",
    [
        "short-9!x",
        "password123",
        "qwertyuiop",
        "1234567890",
        "Passw0rd123",
        "iloveyou12345",
        "aaaaaaaaaaaaaaaa",
        "adalovelace",
        "lovelace.ada",
        "ada.lovelace@example.com",
        "x" * 129,
    ],
)
async def test_a_password_that_is_easy_to_guess_is_refused(
    guest: httpx2.AsyncClient, shop: Shop, password: str
) -> None:
    email = f"ada.lovelace+{new_id().hex[-12:]}@example.com"
    content = {"email": email, "password": password, "name": "Ada Lovelace"}
    document = problem(await guest.post("/v1/auth/register", json=content), 422, "validation_error")
    assert locations(document) == [["body", "password"]]
    assert password not in str(document)
    assert await shop.run("SELECT id FROM users WHERE email = :email", email=email) == []


async def test_a_password_may_be_a_sentence_in_any_language(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings
) -> None:
    long = "".join(chr(0x4E00 + 7 * n) for n in range(128))
    for password in ("пятнадцать зелёных слонов", "x\u0065\u0301-grüne-Äpfel \U0001f34f 7", long):
        email = new_email()
        await register(guest, email, password)
        [token] = await mailed.tokens(shop, settings, email, AccountMessage.VERIFY_EMAIL)
        assert (await verify(guest, token)).status_code == 204
        body(await log_in(guest, email, password))
        problem(await log_in(guest, email, password[:-1]), 401, "unauthenticated")


async def test_a_password_is_the_same_however_its_accents_are_composed(
    guest: httpx2.AsyncClient, people: People
) -> None:
    ada = await people.customer(password="caf\u00e9-zebra-violet-93")
    body(await log_in(guest, ada.email, "cafe\u0301-zebra-violet-93"))


@pytest.mark.parametrize(
    "more",
    [
        {"roles": ["admin"]},
        {"role": "admin"},
        {"id": str(new_id())},
        {"email_verified_at": "2026-01-01T00:00:00Z"},
        {"password_hash": "x"},
        {"phone": "01904 000000"},
        {"locale": "english"},
        {"name": "Ada\nBcc: all@example.com"},
    ],
)
async def test_what_nobody_may_choose_is_refused(guest: httpx2.AsyncClient, shop: Shop, more: dict[str, Any]) -> None:
    email = new_email()
    content = {"email": email, "password": PASSWORD, **more}
    document = problem(await guest.post("/v1/auth/register", json=content), 422, "validation_error")
    assert locations(document) == [["body", *more]]
    assert await shop.run("SELECT id FROM users WHERE email = :email", email=email) == []


async def test_a_password_is_hashed_anew_at_log_in_when_the_parameters_have_changed(
    guest: httpx2.AsyncClient, shop: Shop, people: People, settings: Settings
) -> None:
    ada = await people.customer()
    old = await Passwords(16, 2).hash(ada.password)
    await shop.run("UPDATE users SET password_hash = :old WHERE id = :id", old=old, id=ada.id)

    problem(await log_in(guest, ada.email, "wrong-" + ada.password), 401, "unauthenticated")
    assert await shop.run("SELECT password_hash FROM users WHERE id = :id", id=ada.id) == [(old,)]
    body(await log_in(guest, ada.email))
    [(new,)] = await shop.run("SELECT password_hash FROM users WHERE id = :id", id=ada.id)
    assert f"$argon2id$v=19$m={settings.password_memory_kib},t={settings.password_passes},p=1$" in str(new)
    body(await log_in(guest, ada.email))
    assert await shop.run("SELECT password_hash FROM users WHERE id = :id", id=ada.id) == [(new,)]


async def test_a_forgotten_password_is_replaced_by_the_link_which_ends_every_session(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings, people: People
) -> None:
    ada = await people.customer()
    assert body(await guest.post("/v1/auth/password-reset", json={"email": ada.email.upper()}), 202) == {
        "status": "accepted"
    }
    [token] = await mailed.tokens(shop, settings, ada.email, AccountMessage.PASSWORD_RESET)
    weak = {"token": token, "new_password": ada.email}
    problem(await guest.post("/v1/auth/password-reset/confirm", json=weak), 422, "validation_error")

    content = {"token": token, "new_password": OTHER_PASSWORD}
    answers = await asyncio.gather(*(guest.post("/v1/auth/password-reset/confirm", json=content) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422, 422]
    problem(await guest.post("/v1/auth/password-reset/confirm", json=content), 422, "link_not_valid")

    problem(await log_in(guest, ada.email), 401, "unauthenticated")
    body(await log_in(guest, ada.email, OTHER_PASSWORD))
    problem(await guest.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token}), 401, "unauthenticated")
    assert await mailed.messages(shop, ada.email) == ["password_reset", "password_changed"]


async def test_a_reset_withdraws_the_other_links(
    guest: httpx2.AsyncClient, shop: Shop, settings: Settings, people: People
) -> None:
    ada = await people.customer()
    for _ in range(2):
        await guest.post("/v1/auth/password-reset", json={"email": ada.email})
    first, second = await mailed.tokens(shop, settings, ada.email, AccountMessage.PASSWORD_RESET)
    content = {"token": second, "new_password": OTHER_PASSWORD}
    assert (await guest.post("/v1/auth/password-reset/confirm", json=content)).status_code == 204
    content = {"token": first, "new_password": MISTYPED}
    problem(await guest.post("/v1/auth/password-reset/confirm", json=content), 422, "link_not_valid")
    body(await log_in(guest, ada.email, OTHER_PASSWORD))


async def test_nothing_is_kept_for_an_address_that_nobody_has(guest: httpx2.AsyncClient, shop: Shop) -> None:
    before = await shop.run("SELECT (SELECT count(*) FROM notifications), (SELECT count(*) FROM one_time_tokens)")
    assert body(await guest.post("/v1/auth/password-reset", json={"email": new_email()}), 202) == {"status": "accepted"}
    after = await shop.run("SELECT (SELECT count(*) FROM notifications), (SELECT count(*) FROM one_time_tokens)")
    assert after == before


async def test_a_link_of_a_registration_that_was_not_confirmed_resets_no_password(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    email = new_email()
    await register(guest, email)
    body(await guest.post("/v1/auth/password-reset", json={"email": email}), 202)
    assert await mailed.messages(shop, email) == ["verify_email"]

"""What people want to be told."""

from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from api.app import create_app
from settings import Settings
from tests.api.answers import body, problem
from tests.support.people import People, Person
from tests.support.shop import Shop

PATH = "/v1/users/me/notification-preferences"
OFFERED = {"channels": ["email"]}
UNSAID = {"order_updates": {"email": True, "sms": False}, "marketing": {"email": False, "sms": False}}
SAID = {"order_updates": {"email": False, "sms": False}, "marketing": {"email": True, "sms": False}}


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.customer()


async def rows(shop: Shop, person: Person) -> list[tuple[object, ...]]:
    return await shop.run(
        "SELECT topic, channel, wanted, since FROM notification_preferences WHERE user_id = :id ORDER BY 1, 2",
        id=person.id,
    )


async def test_who_has_said_nothing_gets_order_updates_and_no_marketing(guest: httpx2.AsyncClient, ada: Person) -> None:
    assert body(await guest.get(PATH, headers=ada.headers)) == UNSAID | OFFERED


async def test_what_was_said_holds_for_its_own_person_and_keeps_its_moment_until_it_changes(
    guest: httpx2.AsyncClient, ada: Person, people: People, shop: Shop
) -> None:
    eve = await people.customer()
    assert body(await guest.put(PATH, headers=ada.headers, json=SAID)) == SAID | OFFERED
    said = await rows(shop, ada)

    assert body(await guest.put(PATH, headers=ada.headers, json=SAID)) == SAID | OFFERED
    assert await rows(shop, ada) == said
    body(await guest.put(PATH, headers=ada.headers, json=SAID | OFFERED | {"order_updates": UNSAID["order_updates"]}))

    assert body(await guest.get(PATH, headers=eve.headers)) == UNSAID | OFFERED
    now = await rows(shop, ada)
    assert [row[:3] for row in now] == [
        ("marketing", "email", True),
        ("marketing", "sms", False),
        ("order_updates", "email", True),
        ("order_updates", "sms", False),
    ]
    assert [row == before for row, before in zip(now, said, strict=True)] == [True, True, False, True]


async def test_shop_with_an_sms_gateway_says_that_it_sends_text_messages(
    guest: httpx2.AsyncClient, ada: Person, settings: Settings
) -> None:
    """What was said before is still there when the gateway comes, or goes."""
    both = SAID | {"order_updates": {"email": True, "sms": True}}
    assert body(await guest.put(PATH, headers=ada.headers, json=both)) == both | OFFERED
    equipped = settings.model_copy(update={"sms_account": "AC1"})
    app = create_app(equipped, services="users")
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        assert body(await client.get(PATH, headers=ada.headers)) == both | {"channels": ["email", "sms"]}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sms_account": "AC1"}, "needs a sender"),
        ({"sms_account": "AC1", "sms_token": "t"}, "needs a sender"),
        ({"sms_account": "AC1", "sms_from": "Shop"}, "needs a sender"),
        ({"sms_account": "../AC1", "sms_token": "t", "sms_from": "Shop"}, "should match pattern"),
        ({"sms_api_base": "api.example.com"}, "should match pattern"),
    ],
)
def test_half_an_sms_gateway_is_refused_at_the_start(settings: Settings, wrong: dict[str, str], said: str) -> None:
    known = {"DATABASE_URL": settings.database_url, "secret": settings.secret, "_env_file": None}
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate(known | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        SAID | {"account": {"email": False, "sms": False}},
        SAID | {"marketing": {"email": True}},
        SAID | {"marketing": None},
    ],
)
async def test_half_a_choice_or_one_about_account_mails_is_refused(
    guest: httpx2.AsyncClient, ada: Person, shop: Shop, wrong: dict[str, Any]
) -> None:
    problem(await guest.put(PATH, headers=ada.headers, json=wrong), 422, "validation_error")
    assert await rows(shop, ada) == []


async def test_guest_and_service_have_no_preferences(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    problem(await guest.get(PATH), 401, "unauthenticated")
    problem(await staff.put(PATH, json=SAID), 403, "forbidden")

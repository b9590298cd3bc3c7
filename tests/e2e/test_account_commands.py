"""`everorder users`, `everorder keys` and `everorder people` as an operator types them."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from cli import keys, users
from cli.people import command as people
from db.engine import create_engine
from domain.order_ids import order_id
from models.columns import new_id
from settings import get_settings
from tests.support.shop import Shop

Command = Callable[..., Result]


@pytest.fixture
def surroundings(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("COLUMNS", "200")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run(app: Typer, *arguments: str, types: str = "") -> Result:
    return CliRunner().invoke(app, [*arguments], input=types)


def says(app: Typer, *arguments: str, types: str = "") -> str:
    result = run(app, *arguments, types=types)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def refuses(app: Typer, *arguments: str, types: str = "") -> str:
    result = run(app, *arguments, types=types)
    assert result.exit_code != 0, result.output
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


@pytest.mark.usefixtures("surroundings")
def test_the_first_administrator_is_created_with_a_password_that_is_asked_for() -> None:
    password = "an-orange-gondola-58\n"
    said = says(users.app, "create", "Root@Example.com", "--role", "admin", types=password * 2)
    assert "root@example.com: created, admin" in said
    assert "gondola" not in said
    assert "root@example.com" in says(users.app, "list")
    assert "has an account already" in refuses(users.app, "create", "root@example.com", types=password * 2)


@pytest.mark.usefixtures("surroundings")
def test_a_generated_password_is_shown_once_and_is_never_the_same() -> None:
    said = [says(users.app, "create", f"clerk{n}@example.com", "--generate").splitlines() for n in (1, 2)]
    assert [lines[0] for lines in said] == [f"clerk{n}@example.com: created, a customer" for n in (1, 2)]
    passwords = {lines[1].removeprefix("password: ") for lines in said}
    assert {len(password) for password in passwords} == {24}
    assert len(passwords) == 2


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize(
    ("typed", "refusal"),
    [("short-9!x", "10 to 128"), ("password1234", "easy to guess"), ("eve.smith-2026", "easy to guess")],
)
def test_a_password_that_does_not_hold_is_refused_and_makes_nobody(typed: str, refusal: str) -> None:
    command = ("create", "eve.smith@example.com", "--role", "admin")
    assert refusal in refuses(users.app, *command, types=f"{typed}\n{typed}\n")
    assert "eve.smith" not in says(users.app, "list")


@pytest.mark.usefixtures("surroundings")
def test_roles_are_granted_and_revoked() -> None:
    says(users.app, "create", "wendy@example.com", "--generate")
    assert "wendy" not in says(users.app, "list")
    assert "granted support, warehouse" in says(
        users.app, "grant", "WENDY@example.com", "--role", "support", "--role", "warehouse"
    )
    says(users.app, "grant", "wendy@example.com", "--role", "support")
    assert "support, warehouse" in says(users.app, "list")
    says(users.app, "revoke", "wendy@example.com", "--role", "support", "--role", "admin")
    [line] = [line for line in says(users.app, "list").splitlines() if "wendy" in line]
    assert "warehouse" in line
    assert "support" not in line


@pytest.mark.usefixtures("surroundings")
def test_roles_are_for_people_who_exist_and_of_those_that_exist() -> None:
    assert "no account that was confirmed" in refuses(users.app, "grant", "nobody@example.com", "--role", "admin")
    assert "is no e-mail address" in refuses(users.app, "grant", "nobody", "--role", "admin")
    assert "service is not granted" in refuses(users.app, "grant", "root@example.com", "--role", "service")
    assert "'root' is not one of" in refuses(users.app, "grant", "root@example.com", "--role", "root")


@pytest.mark.usefixtures("surroundings")
def test_keys_are_rotated_one_at_a_time_and_all_at_once_when_one_was_seen() -> None:
    first = says(keys.app, "rotate", "--compromised").partition(":")[0]
    second = says(keys.app, "rotate", "--overlap", "600").partition(":")[0]
    listed = says(keys.app, "list").splitlines()
    [signing] = [line for line in listed if first in line]
    [published] = [line for line in listed if second in line]
    assert "signs" in signing
    assert "published" in published
    assert "published already" in refuses(keys.app, "rotate")
    assert "greater than or equal to 60" in refuses(keys.app, "rotate", "--overlap", "5")

    third = says(keys.app, "rotate", "--compromised").partition(":")[0]
    left = says(keys.app, "list")
    assert third in left
    assert first not in left
    assert second not in left


@pytest.mark.parametrize("app", [users.app, keys.app])
def test_a_database_that_is_away_is_one_line(surroundings: None, monkeypatch: pytest.MonkeyPatch, app: Typer) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    get_settings.cache_clear()
    assert "the database does not answer" in refuses(app, "list")


def test_without_a_secret_nothing_is_begun(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERORDER_SECRET")
    assert "EVERORDER_SECRET: Field required" in refuses(keys.app, "list")


# `everorder people` -------------------------------------------------------------------------------------------------


def bought(database: str, email: str, status: str) -> None:
    """Write a guest's cart, and the order that came out of it."""

    async def written() -> None:
        engine = create_engine(database)
        shop, cart = Shop(engine), new_id()
        await shop.run(
            "INSERT INTO carts (id, status, checkout_attempt, currency, email, token_digest)"
            " VALUES (:id, 'ordered', 1, 'GBP', :email, 'digest')",
            id=cart,
            email=email,
        )
        await shop.run(
            "INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, needs_operator, currency,"
            " subtotal_amount, discount_amount, shipping_amount, tax_amount, total_amount, captured_amount,"
            " refunded_amount, payment_attempt, email)"
            " VALUES (:id, :cart, 1, :status, 'captured', false, 'GBP', 1, 0, 0, 0, 1, 1, 0, 1, :email)",
            id=order_id(cart, 1),
            cart=cart,
            status=status,
            email=email,
        )
        await engine.dispose()

    asyncio.run(written())


def held(database: str, email: str) -> tuple[object, ...]:
    """Count the carts, orders and accounts that still go by an address, and the erasures of accounts."""

    async def counted() -> tuple[object, ...]:
        engine = create_engine(database)
        [row] = await Shop(engine).run(
            "SELECT (SELECT count(*) FROM carts WHERE email = :email), (SELECT count(*) FROM orders"
            " WHERE email = :email), (SELECT count(*) FROM users WHERE email = :email AND password_hash IS NOT NULL),"
            " (SELECT count(*) FROM erasures e JOIN users u ON u.id = e.user_id WHERE u.email = :email)",
            email=email,
        )
        await engine.dispose()
        return row

    return asyncio.run(counted())


@pytest.mark.usefixtures("surroundings")
def test_a_guest_is_erased_by_the_address_and_a_second_time_nothing_is_left(database: str) -> None:
    for status in ("delivered", "cancelled"):
        bought(database, "gwen@example.com", status)
    bought(database, "other@example.com", "delivered")
    assert "the person in 2 carts and 2 orders" in says(people.app, "erase", "--email", "GWEN@example.com")
    assert held(database, "gwen@example.com") == (0, 0, 0, 0)
    assert held(database, "other@example.com") == (1, 1, 0, 0)
    assert "the person in 0 carts and 0 orders" in says(people.app, "erase", "--email", "gwen@example.com")


@pytest.mark.usefixtures("surroundings")
def test_nobody_is_erased_while_an_order_is_under_way(database: str) -> None:
    bought(database, "iris@example.com", "delivered")
    bought(database, "iris@example.com", "placed")
    assert "under way: " in refuses(people.app, "erase", "--email", "iris@example.com")
    assert held(database, "iris@example.com") == (2, 2, 0, 0)


@pytest.mark.usefixtures("surroundings")
def test_an_account_is_closed_at_once_also_when_temporal_is_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    get_settings.cache_clear()
    says(users.app, "create", "june@example.com", "--generate")
    assert held(database, "june@example.com") == (0, 0, 1, 0)
    assert ": closed, and being erased" in says(people.app, "erase", "--email", "june@example.com")
    assert held(database, "june@example.com") == (0, 0, 0, 1)
    assert "this account is closed" in refuses(people.app, "erase", "--email", "june@example.com")

from hashlib import sha256

import httpx2
import pytest

from api.access_tokens import Identity
from api.security import Caller, Scope, digest, guest, is_service, new_secret, person, service
from domain.errors import ForbiddenError
from domain.roles import Role
from models.columns import new_id
from tests.api.answers import body, problem


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "Bearer", "Basic c2VydmljZTp0b2tlbg==", "service-token-of-the-tests", "", "é"]
)
@pytest.mark.in_process("a real client sends no header that ends in a blank")
async def test_a_token_that_nobody_knows_is_refused_even_where_none_is_needed(
    guest: httpx2.AsyncClient, header: str
) -> None:
    raw = {b"Authorization": header.encode("latin-1")}
    for answer in (
        await guest.post("/v1/carts", headers=raw),
        await guest.get("/v1/stock/SKU", headers=raw),
        await guest.get("/v1/locations", headers=raw),
    ):
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_that_is_not_valid_is_told_before_a_body_that_is_not(guest: httpx2.AsyncClient) -> None:
    answer = await guest.post("/v1/carts", headers={"Authorization": "Bearer wrong"}, json={"currency": "?"})
    problem(answer, 401, "unauthenticated")


async def test_the_scheme_is_read_in_any_case(staff: httpx2.AsyncClient) -> None:
    lower = staff.headers["Authorization"].replace("Bearer", "bearer")
    assert body(await staff.get("/v1/locations", headers={"Authorization": lower}))["items"]


def test_without_a_service_token_none_is_accepted() -> None:
    assert [token for token in ("", "x", "é") if is_service(token, "")] == []
    assert [token for token in ("", "x", "s", "s ") if is_service(token, "s")] == ["s"]


def test_a_guest_may_nothing_and_a_service_everything() -> None:
    nobody, program = guest(), service()
    assert (nobody.roles, nobody.actor) == (frozenset({Role.GUEST}), "guest")
    assert (program.roles, program.actor) == (frozenset({Role.SERVICE}), "service")
    assert [scope for scope in Scope if nobody.may(scope)] == []
    assert [scope for scope in Scope if program.may(scope)] == list(Scope)
    with pytest.raises(ForbiddenError, match="this needs the scope orders:import"):
        nobody.require(Scope.ORDERS_IMPORT)


def test_events_name_staff_as_operators_and_everybody_else_as_customers() -> None:
    user, session = new_id(), new_id()
    buyer = person(Identity(user, session, frozenset()), "secret")
    staff = person(Identity(user, session, frozenset({Role.WAREHOUSE})))
    assert buyer == Caller(frozenset({Role.CUSTOMER}), f"customer:{user}", user, "secret", session)
    assert staff == Caller(frozenset({Role.CUSTOMER, Role.WAREHOUSE}), f"operator:{user}", user, None, session)


def test_a_secret_opens_only_its_own_digest() -> None:
    secret = new_secret()
    caller = guest(secret)
    assert digest(secret) == sha256(secret.encode()).hexdigest()
    assert caller.opens(digest(secret), None)
    assert not caller.opens(digest(new_secret()), None)
    assert not caller.opens(secret, None)
    assert not caller.opens(None, None)
    assert not guest().opens(digest(secret), None)


def test_secrets_are_long_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}

"""Access tokens that were not issued here, or not for now: each is refused everywhere, and says nothing about why."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.access_tokens import ACCESS_LIFE, LEEWAY
from api.signing_keys import opened
from db import signing_keys
from domain.roles import Role
from settings import Settings
from tests.api.answers import body, problem
from tests.support.people import People, Person
from tests.support.shop import Shop


@pytest.fixture(scope="module")
async def clerk(people: People) -> Person:
    return await people.staff(Role.WAREHOUSE)


@pytest.fixture(scope="module")
async def key(shop: Shop, settings: Settings, clerk: Person) -> tuple[str, Ed25519PrivateKey]:
    """The key that signs, as only the API knows it."""
    async with shop.sessions() as session:
        newest = (await signing_keys.live(session))[-1]
    return newest.kid, opened(newest, settings.secret)


def claims(clerk: Person) -> dict[str, Any]:
    return dict(jwt.decode(clerk.access_token, options={"verify_signature": False}))


def part(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def refused(guest: httpx2.AsyncClient, token: str) -> None:
    for path in ("/v1/locations", "/v1/stock/SKU"):
        document = problem(await guest.get(path, headers={"Authorization": f"Bearer {token}"}), 401, "unauthenticated")
        assert document["detail"] == "the token is not known"


async def accepted(guest: httpx2.AsyncClient, token: str) -> None:
    body(await guest.get("/v1/locations", headers={"Authorization": f"Bearer {token}"}))


async def test_an_access_token_opens_what_its_roles_may(
    guest: httpx2.AsyncClient, people: People, clerk: Person
) -> None:
    await accepted(guest, clerk.access_token)
    customer = await people.customer()
    problem(await guest.get("/v1/locations", headers=customer.headers), 403, "forbidden")


async def test_a_token_without_signature_is_refused(guest: httpx2.AsyncClient, clerk: Person) -> None:
    _, payload, signature = clerk.access_token.split(".")
    kid = jwt.get_unverified_header(clerk.access_token)["kid"]
    for algorithm in ("none", "None", "NONE", ""):
        header = part({"alg": algorithm, "typ": "at+jwt", "kid": kid})
        for end in ("", signature):
            await refused(guest, f"{header}.{payload}.{end}")
    await refused(guest, clerk.access_token.rpartition(".")[0] + ".")


async def test_the_public_key_is_no_secret_that_signs(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    kid, private = key
    public = private.public_key()
    published = body(await guest.get("/.well-known/jwks.json"))
    [jwk] = [jwk for jwk in published["keys"] if jwk["kid"] == kid]
    secrets = [
        public.public_bytes_raw(),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        jwk["x"].encode(),
        json.dumps(jwk).encode(),
    ]
    for algorithm in ("HS256", "EdDSA"):
        signed = f"{part({'alg': algorithm, 'typ': 'at+jwt', 'kid': kid})}.{clerk.access_token.split('.')[1]}"
        for secret in secrets:
            mac = hmac.HMAC(secret, hashes.SHA256())
            mac.update(signed.encode())
            await refused(guest, f"{signed}.{urlsafe_b64encode(mac.finalize()).decode().rstrip('=')}")


async def test_another_key_under_our_kid_is_refused(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    other = Ed25519PrivateKey.generate()
    await refused(guest, jwt.encode(claims(clerk), other, "EdDSA", headers={"kid": key[0], "typ": "at+jwt"}))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    other = Ed25519PrivateKey.generate()
    x = urlsafe_b64encode(other.public_key().public_bytes_raw()).decode().rstrip("=")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key[0], "alg": "EdDSA"}
    for brought in ({"jwk": jwk}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/cert"}):
        headers = {"kid": key[0], "typ": "at+jwt", **brought}
        await refused(guest, jwt.encode(claims(clerk), other, "EdDSA", headers=headers))


@pytest.mark.parametrize(
    "kid",
    [
        "",
        "unknown",
        "' OR '1'='1",
        "../../../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'aaaa",
        "kid\x00",
        "k" * 5_000,
        None,
        7,
        ["a"],
        {"a": "b"},
    ],
)
async def test_a_wrong_kid_is_refused(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey], kid: object
) -> None:
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
    signed = f"{part(header)}.{part(claims(clerk))}"
    signature = urlsafe_b64encode(key[1].sign(signed.encode())).decode().rstrip("=")
    await refused(guest, f"{signed}.{signature}")


Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(name: str) -> Change:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def having(**changes: object) -> Change:
    return lambda claims: claims | changes


def soon(**moments: timedelta) -> Change:
    return lambda claims: claims | {name: datetime.now(UTC) + shift for name, shift in moments.items()}


PAST = {"iat": -2 * ACCESS_LIFE, "nbf": -2 * ACCESS_LIFE}
WRONG: dict[str, Change] = {
    "expired": soon(**PAST, exp=-LEEWAY - timedelta(seconds=1)),
    "not yet valid": soon(nbf=LEEWAY + timedelta(seconds=30)),
    "issued in the future": soon(iat=LEEWAY + timedelta(seconds=30)),
    "another audience": having(aud="another"),
    "a list of audiences": having(aud=["everorder", "another"]),
    "another issuer": having(iss="https://evil.example"),
    "an issuer that begins like ours": having(iss="everorder.evil.example"),
    "no person": having(sub="admin"),
    "a number for a person": having(sub=1),
    "no session": having(sid="mine"),
    "roles that are no list": having(roles=7),
    "roles of a list of lists": having(roles=[["admin"]]),
    "an end that is no number": having(exp="never"),
    "an endless end": having(exp=float("inf")),
    **{f"without {name}": without(name) for name in ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid", "roles")},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
async def test_what_our_own_key_signed_is_refused_when_a_claim_is_not_right(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey], change: Change
) -> None:
    header = {"kid": key[0], "typ": "at+jwt", "alg": "EdDSA"}
    changed = change(claims(clerk))
    moments = {name: value.timestamp() for name, value in changed.items() if isinstance(value, datetime)}
    signed = f"{part(header)}.{part(changed | moments)}"
    await refused(guest, f"{signed}.{urlsafe_b64encode(key[1].sign(signed.encode())).decode().rstrip('=')}")


async def test_clocks_may_be_a_little_apart(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    headers = {"kid": key[0], "typ": "at+jwt"}
    ahead = soon(iat=LEEWAY - timedelta(seconds=2), nbf=LEEWAY - timedelta(seconds=2))(claims(clerk))
    await accepted(guest, jwt.encode(ahead, key[1], "EdDSA", headers=headers))


async def test_a_token_of_another_kind_is_refused(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    for kind in ("JWT", "id+jwt", "logout+jwt", None):
        await refused(guest, jwt.encode(claims(clerk), key[1], "EdDSA", headers={"kid": key[0], "typ": kind}))


async def test_a_changed_payload_or_header_is_refused(guest: httpx2.AsyncClient, people: People) -> None:
    customer = await people.customer()
    header, payload, signature = customer.access_token.split(".")
    own = json.loads(urlsafe_b64decode(payload + "=="))
    for changed in (own | {"roles": ["admin"]}, own | {"sub": str(uuid4())}, own | {"exp": own["exp"] + 1}):
        await refused(guest, f"{header}.{part(changed)}.{signature}")
    head = json.loads(urlsafe_b64decode(header + "=="))
    await refused(guest, f"{part(head | {'x': 1})}.{payload}.{signature}")
    await refused(guest, f"{header}.{payload}.{signature[:-4]}AAAA")


async def test_a_role_that_nobody_has_opens_nothing(
    guest: httpx2.AsyncClient, clerk: Person, key: tuple[str, Ed25519PrivateKey]
) -> None:
    for roles in ([], ["service"], ["root", "guest", "customer"]):
        token = jwt.encode(claims(clerk) | {"roles": roles}, key[1], "EdDSA", headers={"kid": key[0], "typ": "at+jwt"})
        problem(await guest.get("/v1/locations", headers={"Authorization": f"Bearer {token}"}), 403, "forbidden")


async def test_a_refresh_token_is_no_access_token(guest: httpx2.AsyncClient, clerk: Person) -> None:
    await refused(guest, clerk.refresh_token)

"""Entity tags (RFC 9110, section 8.8.3): `"<version>.<digest of the body>"`.

The version is what an edit is made for (`If-Match`): it does not change when something is sold meanwhile. The whole tag
is what a cache compares (`If-None-Match`).
"""

import re
from hashlib import blake2b
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Header, Response

from api.errors import InvalidRequestError
from domain.errors import PreconditionRequiredError

_TAG = re.compile(r'"(\d{1,9})(?:\.[0-9a-f]+)?"')


def etag(version: int, body: bytes) -> str:
    """Name one state of a thing."""
    return f'"{version}.{blake2b(body, digest_size=8).hexdigest()}"'


class Versioned(Protocol):
    """What editors read before they change it."""

    @property
    def version(self) -> int:
        """Number its state."""
        ...

    def model_dump_json(self) -> str:
        """Write it as it is answered."""
        ...


Shown = TypeVar("Shown", bound=Versioned)


def tagged(shown: Shown, response: Response) -> Shown:
    """Name the state of what is answered in the answer's `ETag`, and return it."""
    response.headers["ETag"] = etag(shown.version, shown.model_dump_json().encode())
    return shown


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Tell whether a cache has this state already."""
    if if_none_match is None:
        return False
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in known or tag in known


async def _if_match(
    if_match: Annotated[
        str | None, Header(description="The `ETag` that the change was made for; `*` is any.", max_length=100)
    ] = None,
) -> int | None:
    if if_match is None:
        raise PreconditionRequiredError("send the ETag of what you have read as If-Match")
    if if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise InvalidRequestError("This is no ETag of ours", "header", "if-match")
    return int(tag.group(1))


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The version that an edit was made for; None where any will do."""

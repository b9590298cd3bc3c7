"""How the id of a request travels with what it causes: as a Temporal header, and as a memo of the workflow it started.

Headers are no part of what is replayed, so they may come and go between releases.
"""

from collections.abc import Mapping

from temporalio.api.common.v1 import Payload

HEADER = "request-id"
MEMO = "request_id"

Headers = Mapping[str, Payload]


def with_request_id(headers: Headers, request_id: str) -> Headers:
    """Add the id to headers."""
    payload = Payload(metadata={"encoding": b"json/plain"}, data=f'"{request_id}"'.encode("ascii"))
    return {**headers, HEADER: payload}


def request_id_of(headers: Headers) -> str | None:
    """Read the id back; None when there is none."""
    payload = headers.get(HEADER)
    return None if payload is None else payload.data.decode("ascii", "replace").strip('"')

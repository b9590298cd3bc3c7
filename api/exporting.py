"""The export of everything that we hold of a person: one JSON document, written while it is read.

Each page is read in a transaction of its own: somebody who reads slowly keeps no connection to the database, and
however much there is, only one page of it is in memory.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from api.deps import Resources
from db import personal_data
from db.personal_data import FIRST, SECTIONS, Section
from domain.errors import UnauthenticatedError
from models.columns import utc_now

_PAGE = 100


async def export(resources: Resources, user_id: UUID) -> AsyncIterator[str]:
    """Write the document. What can be refused is refused here, before its first part is sent.

    Raises:
        UnauthenticatedError: the account was erased.
    """
    async with resources.reads() as session:
        account = await personal_data.account(session, user_id)
        preferences = await personal_data.preferences(session, user_id)
    if account is None:
        raise UnauthenticatedError("there is no such account any more")
    beginning = (
        f'{{"exported_at":"{utc_now().isoformat()}","account":{account},"notification_preferences":{preferences}'
    )
    return _document(resources, user_id, beginning)


async def _document(resources: Resources, user_id: UUID, beginning: str) -> AsyncIterator[str]:
    yield beginning
    for section in SECTIONS:
        yield f',"{section.name}":['
        async for part in _rows(resources, user_id, section):
            yield part
        yield "]"
    yield "}"


async def _rows(resources: Resources, user_id: UUID, section: Section) -> AsyncIterator[str]:
    after = FIRST
    while True:
        async with resources.reads() as session:
            rows = await personal_data.page(session, section, user_id, after=after, most=_PAGE)
        if rows:
            yield ("" if after == FIRST else ",") + ",".join(row for _, row in rows)
            after = rows[-1][0]
        if len(rows) < _PAGE:
            return

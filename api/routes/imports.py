"""Uploading a file of products, and looking how far its import is: for who may write the catalogue."""

from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.deps import Needs, OutboxDep, Read, ResourcesDep, Write
from api.errors import InvalidRequestError
from api.idempotency import IdempotentRoute, RequestId
from api.openapi import problems
from api.schemas.fields import Currency, ShortLine
from api.schemas.imports import Import, RefusedRow
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope
from db.imports import files
from db.imports.files import ImportRow, NewImport
from domain.errors import NotFoundError
from domain.merchandise import OPEN, ImportState
from models.inventory import DEFAULT_LOCATION

router = APIRouter(prefix="/v1/imports", tags=["catalog"], route_class=IdempotentRoute)

_CSV = "text/csv"
_FORM = "multipart/form-data"
_PIECE = 262_144
_FILE: dict[str, Any] = {"type": "string", "format": "binary"}
_FORM_SCHEMA = {"type": "object", "properties": {"file": _FILE}, "required": ["file"], "additionalProperties": False}
_BODY = {"required": True, "content": {_CSV: {"schema": _FILE}, _FORM: {"schema": _FORM_SCHEMA}}}
_POSITION = TypeAdapter(tuple[int])

_Editor = Annotated[Caller, Depends(Needs(Scope.CATALOG_WRITE))]


@router.post("", status_code=202, responses=problems(401, 403, 413), openapi_extra={"requestBody": _BODY})
async def upload_import(
    *,
    request: Request,
    response: Response,
    resources: ResourcesDep,
    session: Write,
    outbox: OutboxDep,
    editor: _Editor,
    import_id: RequestId,
    _format: Annotated[Literal["shopify"], Query(alias="format", description="Shopify's product CSV.")] = "shopify",
    currency: Annotated[Currency | None, Query(description="Of the prices; the shop's, where none is named.")] = None,
    location: Annotated[ShortLine, Query(description="Where the stock of new articles is received.")] = (
        DEFAULT_LOCATION
    ),
    skip_refused: Annotated[bool, Query(description="Leave products out that can not be taken.")] = False,
) -> Import:
    """Upload a file of products (`text/csv`, UTF-8), as the body or as the `file` of a form.

    It is imported in the background: all of it, or nothing.
    """
    found = await files.find(session, import_id)
    if found is None:
        wanted = NewImport(
            import_id, currency or resources.settings.currency, location, editor.actor, skip_refused=skip_refused
        )
        await _keep(session, wanted, request)
        found = await _row(session, import_id)
    if resources.imports is not None and found.state in OPEN:
        outbox.begin(resources.imports, import_id)
    response.headers["Location"] = f"{router.prefix}/{import_id}"
    response.headers["Retry-After"] = "1"
    return Import.of(found)


@router.get("/{import_id}", responses=problems(401, 403, 404))
async def get_import(import_id: UUID, session: Read, _: _Editor) -> Import:
    """Show how far an import is, and what it has done."""
    return Import.of(await _row(session, import_id))


@router.get("/{import_id}/refusals", responses=problems(401, 403, 404))
async def list_refused_rows(
    import_id: UUID, session: Read, _: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[RefusedRow]:
    """List the rows that can not be taken, and why; the first 10,000 of them."""
    await _row(session, import_id)
    after = 0 if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await files.refusals(session, import_id, after=after, limit=limit + 1), limit)
    return Page[RefusedRow](
        items=[RefusedRow.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.n)
    )


@router.post("/{import_id}/cancel", responses=problems(401, 403, 404, 409))
async def cancel_import(import_id: UUID, session: Write, _: _Editor) -> Import:
    """Call an import off that has not ended: nothing of it is in the catalogue then. Asked again, nothing happens."""
    row = await _row(session, import_id)
    if row.state is not ImportState.CANCELLED:
        await files.cancel(session, import_id)
    return Import.of(await _row(session, import_id))


async def _keep(session: AsyncSession, wanted: NewImport, request: Request) -> None:
    """Keep the body of a request, a piece at a time."""
    try:
        await files.create(session, wanted)
    except NotFoundError:
        raise InvalidRequestError("There is no such location", "query", "location") from None
    size = n = 0
    async for piece in _content(request):
        await files.add_chunk(session, wanted.id, n, piece)
        size, n = size + len(piece), n + 1
    if not size:
        raise InvalidRequestError("The body is empty", "body")
    await files.note_received(session, wanted.id, size)


def _content(request: Request) -> AsyncIterator[bytes]:
    """Read the file of a request, in pieces of one size."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _READERS:
        raise InvalidRequestError(f"Input should be {' or '.join(_READERS)}", "header", "Content-Type")
    return _READERS[kind](request)


async def _of_body(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    try:
        async for arrived in request.stream():
            gathered += arrived
            while len(gathered) >= _PIECE:
                yield bytes(gathered[:_PIECE])
                del gathered[:_PIECE]
    except ClientDisconnect:
        raise _broken_off() from None
    if gathered:
        yield bytes(gathered)


async def _of_form(request: Request) -> AsyncIterator[bytes]:
    """Read the one file of a form; what is large of it lies on disk meanwhile."""
    try:
        form = await request.form(max_files=1, max_fields=0)
    except ClientDisconnect:
        raise _broken_off() from None
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise InvalidRequestError(f"This is no form with one file: {error.detail}", "body") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequestError("There is no file of this name", "body", "file")
        while piece := await file.read(_PIECE):
            yield piece
    finally:
        await form.close()


_READERS: Mapping[str, Callable[[Request], AsyncIterator[bytes]]] = {_CSV: _of_body, _FORM: _of_form}


def _broken_off() -> InvalidRequestError:
    return InvalidRequestError("The body did not arrive as a whole", "body")


async def _row(session: AsyncSession, import_id: UUID) -> ImportRow:
    row = await files.find(session, import_id)
    if row is None:
        raise NotFoundError("no such import")
    return row

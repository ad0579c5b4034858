"""Facts: read, written, watched."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from skb.api import models, schemas
from skb.api.context import Fresh, Known, json
from skb.api.watch import Watch
from skb.errors import InvalidRequest

router = APIRouter(tags=["facts"])

NOT_FIELDS = ("limit", "cursor", "revision", "min_revision")


@router.get("/facts")
async def facts(knowledge: Fresh, request: Request, response: Response) -> list[models.Predicate]:
    """List the facts that are declared, with their fields, meaning, and number of rows."""
    response.headers["ETag"] = request.state.tag
    return [
        models.Predicate(
            name=declaration.name,
            fields=[
                models.FieldInfo(name=field.name, type=field.words, key=field.name in declaration.key)
                for field in declaration.fields
            ],
            doc=declaration.doc,
            source=declaration.source,
            rows=count,
        )
        for declaration, count in await knowledge.counts()
    ]


@router.get("/facts/{name}", response_model=models.Rows)
async def rows(
    name: str,
    request: Request,
    knowledge: Fresh,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
    cursor: Annotated[str | None, Query(description="From the answer before.")] = None,
    revision: Annotated[int | None, Query(ge=0, description="Rows as of a revision that is still in the log.")] = None,
) -> Response:
    """Give the rows of a fact. Any field may be given as `field=value`: only rows with that value."""
    filters = {key: value for key, value in request.query_params.items() if key not in NOT_FIELDS}
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 16):
        raise InvalidRequest(f"{cursor[:40]!r} is no cursor; give the one of the answer before, or none")
    offset = int(cursor or 0)
    found = await knowledge.rows(name, filters, limit, offset, revision)
    following = str(offset + limit) if found.more else None
    return json({"rows": found.rows, "cursor": following, "revision": found.revision}, request)


@router.get("/facts/{name}/schema", response_model=dict[str, Any])
async def schema(name: str, knowledge: Known) -> Response:
    """Give the JSON Schema of a row of a fact, an object by field name."""
    await knowledge.ready()
    return json({"$schema": schemas.DIALECT, **schemas.row(knowledge.vocabulary.declaration(name))})


@router.post("/facts")
async def update(body: models.Update, knowledge: Known) -> models.Updated:
    """Write one transaction: all of it or, with an error, nothing. What was acknowledged is on disk."""
    revision = await knowledge.update(
        body.assert_, body.retract, body.if_revision, replace=body.on_existing_key == "replace"
    )
    return models.Updated(revision=revision)


@router.get(
    "/watch",
    response_class=Response,
    responses={
        200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    },
)
async def watch(
    request: Request,
    knowledge: Known,
    names: Annotated[str, Query(description="Facts to hear of, with commas between; all if empty.")] = "",
    since: Annotated[
        int | None,
        Query(ge=0, description="Changes after this revision, which must still be in the log; default: from now on."),
    ] = None,
) -> Response:
    """Follow changes, as server-sent events: an event `change` for each transaction, its id the revision.

    A client that was cut off goes on where it was with `Last-Event-ID`. An event `dropped` tells one that was too slow.
    """
    last = request.headers.get("last-event-id", "")
    if last and not (last.isascii() and last.isdecimal() and len(last) < 16):
        raise InvalidRequest(f"Last-Event-ID {last[:40]!r} is no revision")
    after = int(last) if last else knowledge.revision if since is None else since
    wanted = [name for name in names.split(",") if name]
    return Watch(await knowledge.watch(after, wanted), request)

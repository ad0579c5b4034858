"""Questions: goals, placements, trees, and why something is so."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from skb.api import models, tree_models
from skb.api.connection import while_connected
from skb.api.context import Known, Reasoning, json
from skb.api.placement_models import Placement, PlacementRequest
from skb.api.quick import INFERENCES, answer_of
from skb.errors import ServiceError
from skb.knowledge import Rows

router = APIRouter(tags=["reasoning"])

NDJSON = "application/x-ndjson"


@router.post("/query", response_model=models.Answer)
async def query(body: models.Query, request: Request, knowledge: Known) -> Response:
    """Solve a Prolog goal over the facts and rules, in a sandbox and under limits."""
    return json(await while_connected(request, answer_of(knowledge, body)))


@router.post(
    "/query/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Lines of JSON.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
)
async def stream(body: models.StreamedQuery, knowledge: Known) -> Response:
    """Solve a Prolog goal; give its solutions as they are found, one JSON object a line.

    The last line has no solution: it is `{"more", "revision"}`, or `{"problem"}` if something went wrong on the way.
    """
    if body.min_revision is not None:
        await knowledge.reached(body.min_revision)
    found = knowledge.stream(body.goal, body.params, body.limit, body.timeout_ms, INFERENCES, exact=body.exact)
    first = await anext(found, None)  # what is wrong with the goal itself is an ordinary problem
    return StreamingResponse(_lines(first, found), media_type=NDJSON, headers={"Content-Encoding": "identity"})


async def _lines(first: Rows | None, found: AsyncGenerator[Rows]) -> AsyncIterator[bytes]:
    more, revision = False, 0
    async with aclosing(found):
        batch = first
        try:
            while batch is not None:
                more, revision = batch.more, batch.revision
                if batch.rows:
                    yield b"".join(msgspec.json.encode(row) + b"\n" for row in batch.rows)
                batch = await anext(found, None)
        except ServiceError as error:
            problem: dict[str, Any] = {"type": f"/problems/{error.type}", "title": error.title, "status": error.status}
            yield msgspec.json.encode({"problem": problem | {"detail": error.detail, **error.more}}) + b"\n"
            return
    yield msgspec.json.encode({"more": more, "revision": revision}) + b"\n"


@router.post("/explain", response_model=models.Explanation)
async def explain(body: models.Explain, request: Request, knowledge: Known) -> Response:
    """Say why a goal holds: the first proof of it, down to the facts."""
    found = await while_connected(
        request, knowledge.explain(body.goal, body.params, body.depth, body.timeout_ms, INFERENCES)
    )
    return json(found)


@router.post("/placement")
async def placement(body: PlacementRequest, request: Request, reasoner: Reasoning) -> Placement:
    """Find cores for dispatchers so that their traffic travels least, under constraints; say what it costs, and why not otherwise."""
    return await while_connected(request, reasoner.place(body))


@router.post("/tree")
async def tree(body: tree_models.TreeRequest, request: Request, reasoner: Reasoning) -> tree_models.Tree:
    """Find the tree by which a broadcast has reached the last core soonest, or a reduction the root."""
    return await while_connected(request, reasoner.tree(body))


@router.post("/routes")
async def routes(body: tree_models.RoutesRequest, request: Request, reasoner: Reasoning) -> tree_models.Routes:
    """Choose channels where a core can have only so many, and the way that messages take through them."""
    return await while_connected(request, reasoner.routes(body))

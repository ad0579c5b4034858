"""Declared queries: what rule modules offer by name."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from skb.api import models
from skb.api.connection import while_connected
from skb.api.context import Known, json
from skb.api.quick import INFERENCES
from skb.rules.queries import DeclaredQuery

router = APIRouter(prefix="/queries", tags=["queries"])


@router.get("")
async def queries(knowledge: Known) -> list[models.DeclaredQuery]:
    """List the queries that rules declare, with their parameters and meaning."""
    return [_model(query) for query in (await knowledge.queries()).values()]


@router.post("/{name}", response_model=models.Answer)
async def ask(
    name: Annotated[str, Path(description="A query that is declared.")],
    body: models.Ask,
    request: Request,
    knowledge: Known,
) -> Response:
    """Answer a declared query: solutions by parameter."""
    if body.min_revision is not None:
        await knowledge.reached(body.min_revision)
    found = await while_connected(
        request, knowledge.ask(name, body.params, body.limit, body.offset, body.timeout_ms, INFERENCES)
    )
    return json(
        {
            "solutions": found.solutions,
            "more": found.more,
            "revision": found.revision,
            "stats": {"inferences": found.inferences},
        }
    )


def _model(query: DeclaredQuery) -> models.DeclaredQuery:
    return models.DeclaredQuery(
        name=query.name,
        module=query.module,
        doc=query.doc,
        parameters=[
            models.QueryParameter(
                name=parameter.name,
                mode=parameter.mode,
                type=parameter.words,
                required=parameter.mode == "in" and parameter.name not in query.defaults,
                default=query.defaults.get(parameter.name),
            )
            for parameter in query.parameters
        ],
    )

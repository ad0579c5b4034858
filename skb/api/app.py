"""The application: routes, and what each answers."""

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as distribution_version
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from skb import topology as picture
from skb.api import models, problems
from skb.api.connection import while_connected
from skb.api.limits import BodyLimit, LoopbackOnly
from skb.api.quick import QuickQuery
from skb.errors import InvalidRequest
from skb.knowledge import Knowledge
from skb.reasoning import Reasoner

MOST_BODY = 64 * 1024 * 1024
"""Bytes of a request's body."""

INFERENCES = 1_000_000_000
"""Logical inferences that a goal may take."""


PROBLEM: dict[str, Any] = {
    "description": "A problem document (RFC 9457).",
    "content": {"application/problem+json": {"schema": models.Problem.model_json_schema()}},
}


def make_app(knowledge: Knowledge) -> FastAPI:
    """Make the application that answers from this knowledge, which is open."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.knowledge = knowledge
        app.state.reasoner = Reasoner(knowledge)
        try:
            yield
        finally:
            app.state.reasoner.close()

    app = FastAPI(
        title="System Knowledge Base",
        version=distribution_version("multikernel-skb"),
        summary="What this machine is, and what follows from it.",
        lifespan=lifespan,
        responses={"default": PROBLEM},
        docs_url=None,  # its pages load scripts from elsewhere, and a machine's service must work without the rest of the world
        redoc_url=None,
    )
    app.state.ending = asyncio.Event()  # set by whoever ends the service, when work has had its time to finish
    app.add_middleware(QuickQuery, knowledge_of=knowledge_of, inferences=INFERENCES)
    app.add_middleware(BodyLimit, most=MOST_BODY)
    app.add_middleware(LoopbackOnly)
    problems.install(app)
    _routes(app)
    return app


def knowledge_of(request: Request) -> Knowledge:
    """Give the machine that a request is about."""
    knowledge: Knowledge = request.app.state.knowledge
    return knowledge


def reasoner_of(request: Request) -> Reasoner:
    """Give what answers optimisation questions about it."""
    reasoner: Reasoner = request.app.state.reasoner
    return reasoner


Known = Annotated[Knowledge, Depends(knowledge_of)]
Reasoning = Annotated[Reasoner, Depends(reasoner_of)]


def _routes(app: FastAPI) -> None:
    _service_routes(app)
    _fact_routes(app)
    _reasoning_routes(app)


def _service_routes(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(request.app))

    @app.get("/v1/health", tags=["service"])
    async def health(knowledge: Known) -> models.Health:
        """Say whether the service can answer: the engine is asked something, unless it is at work."""
        if not knowledge.pool.busy:
            await knowledge.counts()
        return models.Health(status="ok", revision=knowledge.revision, engine_restarts=knowledge.pool.restarts)

    @app.get("/v1/version", tags=["service"])
    async def version() -> models.Version:
        """Say which service this is."""
        return models.Version(name="multikernel-skb", version=distribution_version("multikernel-skb"), api=1)


def _fact_routes(app: FastAPI) -> None:
    @app.get("/v1/facts", tags=["facts"])
    async def facts(knowledge: Known) -> list[models.Predicate]:
        """List the facts that are declared, with their fields, meaning, and number of rows."""
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

    @app.get("/v1/facts/{name}", tags=["facts"], response_model=models.Rows)
    async def rows(
        name: str,
        request: Request,
        knowledge: Known,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
        cursor: Annotated[str | None, Query(description="From the answer before.")] = None,
    ) -> Response:
        """Give the rows of a fact. Any field may be given as `field=value`: only rows with that value."""
        filters = {key: value for key, value in request.query_params.items() if key not in ("limit", "cursor")}
        if cursor is not None and not cursor.isdecimal():
            raise InvalidRequest(f"{cursor!r} is no cursor; give the one of the answer before, or none")
        offset = int(cursor or 0)
        found = await knowledge.rows(name, filters, limit, offset)
        following = str(offset + limit) if found.more else None
        return _json({"rows": found.rows, "cursor": following, "revision": found.revision})

    @app.post("/v1/facts", tags=["facts"])
    async def update(body: models.Update, knowledge: Known) -> models.Updated:
        """Write one transaction: all of it or, with an error, nothing. What was acknowledged is on disk."""
        return models.Updated(revision=await knowledge.update(body.assert_, body.retract, body.if_revision))


def _reasoning_routes(app: FastAPI) -> None:
    @app.post("/v1/query", tags=["reasoning"], response_model=models.Answer)
    async def query(body: models.Query, request: Request, knowledge: Known) -> Response:
        """Solve a Prolog goal over the facts and rules, in a sandbox and under limits."""
        found = await while_connected(
            request,
            knowledge.query(body.goal, body.params, body.limit, body.offset, body.timeout_ms, INFERENCES),
        )
        stats = {"inferences": found.inferences}
        return _json({"solutions": found.solutions, "more": found.more, "revision": found.revision, "stats": stats})

    @app.get("/v1/topology", tags=["reasoning"], response_model=models.Part)
    async def topology(knowledge: Known, format: Literal["json", "text"] = "json") -> Response:  # noqa: A002  # the parameter's name in the API
        """Give the machine as a tree: packages, caches, nodes, cores, PCI devices."""
        (term,), _ = await knowledge.rule("topology")
        machine = picture.tree(term)
        return PlainTextResponse(picture.text(machine)) if format == "text" else _json(machine)

    @app.post("/v1/placement", tags=["reasoning"])
    async def placement(body: models.PlacementRequest, request: Request, reasoner: Reasoning) -> models.Placement:
        """Find cores for dispatchers so that their traffic travels least."""
        return await while_connected(request, reasoner.place(body))

    @app.post("/v1/tree", tags=["reasoning"])
    async def tree(body: models.TreeRequest, request: Request, reasoner: Reasoning) -> models.Tree:
        """Find the broadcast tree by which the last core has received soonest."""
        return await while_connected(request, reasoner.tree(body))


def _json(answer: Any) -> Response:
    """Give an answer whose values are JSON already, however large and deep: pydantic would read and check them once more."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _page(app: FastAPI) -> str:
    """List what can be asked; works without anything from elsewhere."""
    rows = []
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            shown = html.escape(path)
            link = f'<a href="{shown}">{shown}</a>' if method == "get" and "{" not in path else shown
            text = html.escape(operation.get("description", ""))
            rows.append(f"<tr><td>{method.upper()}</td><td>{link}</td><td>{text}</td></tr>")
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>System Knowledge Base</title>"
        "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "td{padding:.3em .8em .3em 0;vertical-align:top}td:nth-child(2){font-family:monospace}</style>"
        "<h1>System Knowledge Base</h1><p>What this machine is, and what follows from it. "
        "<a href='/v1/topology?format=text'>See the machine</a>, or <a href='/openapi.json'>the API's description</a>.</p>"
        f"<table>{''.join(rows)}</table></html>"
    )

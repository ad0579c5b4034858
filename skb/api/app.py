"""The application: what stands between a request and its answer, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as distribution_version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from skb.api import (
    fact_routes,
    machine_routes,
    models,
    optimize_routes,
    pci_routes,
    problems,
    query_routes,
    reasoning_routes,
    rule_routes,
    service_routes,
    topology_routes,
)
from skb.api.authority import Authority
from skb.api.context import knowledge_of, machine_named
from skb.api.limits import BodyLimit, LoopbackOnly
from skb.api.metrics import Metrics
from skb.api.quick import QuickQuery
from skb.api.record import Record
from skb.api.settings import Settings
from skb.machines.registry import Machines
from skb.reasoning import Solvers
from skb.solving import SolvingProcesses

MOST_BODY = 64 * 1024 * 1024
"""Bytes of a request's body."""

COMPRESSED_FROM = 4096
"""Bytes of an answer from which compressing it is worth the time, on a network."""

PROBLEM: dict[str, Any] = {
    "description": "A problem document (RFC 9457).",
    "content": {"application/problem+json": {"schema": models.Problem.model_json_schema()}},
}

RETIRE_SECONDS = 60.0
"""Between looks for engines that nobody uses."""


def make_app(machines: Machines, settings: Settings | None = None) -> FastAPI:
    """Make the application that answers about these machines. Whoever made them closes them."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        retiring = asyncio.create_task(_retire(machines))
        try:
            yield
        finally:
            retiring.cancel()
            app.state.solvers.close()
            app.state.solving.close()

    app = FastAPI(
        title="System Knowledge Base",
        version=distribution_version("multikernel-skb"),
        summary="What machines are, and what follows from it.",
        lifespan=lifespan,
        responses={"default": PROBLEM},
        openapi_url=None,  # a route of ours gives it, with what is declared today
        docs_url=None,  # its pages load scripts from elsewhere, and a machine's service must work without the rest of the world
        redoc_url=None,
    )
    app.state.machines = machines
    app.state.solvers = Solvers()
    app.state.solving = SolvingProcesses()
    app.state.metrics = Metrics(machines)
    app.state.ending = asyncio.Event()  # set by whoever ends the service, when work has had its time to finish
    problems.install(app)
    for router in (service_routes.router, machine_routes.router):
        app.include_router(router)
    app.include_router(_about_a_machine(), prefix="/v1")
    app.include_router(_about_a_machine(), prefix="/v1/machines/{machine}", dependencies=[Depends(machine_named)])
    _stack(app, settings)
    return app


def _about_a_machine() -> APIRouter:
    router = APIRouter()
    router.include_router(fact_routes.router)
    router.include_router(reasoning_routes.router)
    router.include_router(topology_routes.router)
    router.include_router(optimize_routes.router)
    router.include_router(pci_routes.router)
    router.include_router(query_routes.router)
    router.include_router(rule_routes.router)
    return router


def _stack(app: FastAPI, settings: Settings) -> None:
    """What a request passes on its way in, the last one first."""
    app.add_middleware(QuickQuery, knowledge_of=knowledge_of)
    app.add_middleware(BodyLimit, most=MOST_BODY)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=4)
    app.add_middleware(Authority, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "If-None-Match"],
            expose_headers=["ETag", "X-Request-Id"],
        )
    if settings.loopback_names_only:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(Record, metrics=app.state.metrics, every=settings.log_requests)


async def _retire(machines: Machines) -> None:
    while True:
        await asyncio.sleep(RETIRE_SECONDS)
        await machines.retire()

"""Whether the service is well, what it is, and what it has done."""

from importlib.metadata import version as distribution_version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from skb.api import models
from skb.api.context import json, machines_of
from skb.api.page import page
from skb.api.schemas import document

router = APIRouter(tags=["service"])


@router.get("/", include_in_schema=False)
async def index(request: Request) -> HTMLResponse:
    """Say what can be asked."""
    return HTMLResponse(page(await _document(request)))


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Describe what can be asked: every endpoint, every fact, every declared query."""
    return json(await _document(request))


async def _document(request: Request) -> dict[str, Any]:
    known = machines_of(request).local
    await known.ready()
    return document(request.app, known.vocabulary, await known.queries())


@router.get("/v1/health")
async def health(request: Request) -> models.Health:
    """Say whether the service can answer: the engine is asked something, unless it is at work."""
    known = machines_of(request).local
    if not known.pool.busy:
        await known.counts()
    return models.Health(status="ok", revision=known.revision, engine_restarts=known.pool.restarts)


@router.get("/v1/version")
async def version() -> models.Version:
    """Say which service this is."""
    return models.Version(name="multikernel-skb", version=distribution_version("multikernel-skb"), api=1)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Give counts and latencies, in the text format of Prometheus."""
    body, media_type = request.app.state.metrics.text()
    return Response(body, media_type=media_type)

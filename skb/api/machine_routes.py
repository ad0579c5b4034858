"""The machines that the service knows: listed, loaded, dropped."""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from skb.api import models
from skb.api.context import machines_of
from skb.machines.decode import decode

router = APIRouter(prefix="/v1/machines", tags=["machines"])

Name = Annotated[str, Path(description="Small letters, digits, '.', '_' and '-'.")]


@router.get("")
async def machines(request: Request) -> list[models.Machine]:
    """List the machines that are known: `local`, which the service runs on, and those that were loaded."""
    return [
        models.Machine(name=machine.name, revision=machine.revision, engines=machine.engines, about=machine.about)
        for machine in machines_of(request).machines()
    ]


@router.put(
    "/{machine}",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A bundle (`skb record`), a dump of another tool, or facts as JSON lines; what it is is seen from its content.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses={200: {"model": models.Loaded, "description": "The machine was known; its facts are now these."}},
)
async def load(
    machine: Name,
    request: Request,
    response: Response,
    format: Annotated[str, Query(description="Of the body, where its content does not tell.")] = "auto",  # noqa: A002  # the parameter's name in the API
    source: Annotated[str, Query(max_length=200, description="Where the body is from, to be told again.")] = "",
) -> models.Loaded:
    """Load a machine under a name. What was known under that name is replaced in one transaction, by what has changed."""
    found, problems = await decode(await request.body(), format)
    about = {"source": source, "format": format, "loaded": int(time.time())}
    revision, new = await machines_of(request).put(machine, found, about)
    response.status_code = 201 if new else 200
    return models.Loaded(name=machine, revision=revision, facts=len(found), problems=problems)


@router.delete("/{machine}", status_code=204)
async def drop(machine: Name, request: Request) -> None:
    """Drop a machine, and all that is known of it."""
    await machines_of(request).delete(machine)

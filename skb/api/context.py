"""What a request is about: the machine it names, and what answers for it."""

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from skb.api.problems import NotModified
from skb.knowledge import Knowledge
from skb.machines.registry import LOCAL, Machines
from skb.reasoning import Reasoner

MinRevision = Annotated[
    int | None, Query(ge=0, description="Answer from this revision on only; the request waits up to 10 s for it.")
]


def machines_of(request: Request) -> Machines:
    """Give the machines that the service knows."""
    machines: Machines = request.app.state.machines
    return machines


def machine_named(
    machine: Annotated[str, Path(description="A machine that is known; `local` is the one that serves.")],
) -> None:
    """Describe the machine in the path; what it leads to is the business of `knowledge_of`."""
    del machine


def knowledge_of(request: Request) -> Knowledge:
    """Give the machine that a request is about. Raises UnknownMachine."""
    return machines_of(request).get(request.path_params.get("machine", LOCAL))


def reasoner_of(request: Request) -> Reasoner:
    """Give what answers optimisation questions about it."""
    return Reasoner(knowledge_of(request), request.app.state.solvers)


async def fresh(request: Request, min_revision: MinRevision = None) -> Knowledge:
    """Give the machine that a read is about, unless the client has the answer already; wait for the revision that it wants.

    Raises RevisionNotReached, NotModified.
    """
    known = knowledge_of(request)
    if min_revision is not None:
        await known.reached(min_revision)
    tag = tag_of(known)
    if tag in (given.strip() for given in request.headers.get("if-none-match", "").split(",")):
        raise NotModified(tag)
    request.state.tag = tag
    return known


def tag_of(known: Knowledge) -> str:
    """Give the ETag of whatever is read of a machine now. Weak: the same answer may be compressed or not."""
    return f'W/"{known.tag}"'


Known = Annotated[Knowledge, Depends(knowledge_of)]
Fresh = Annotated[Knowledge, Depends(fresh)]
Reasoning = Annotated[Reasoner, Depends(reasoner_of)]


def json(answer: Any, request: Request | None = None, status: int = 200) -> Response:
    """Give an answer whose values are JSON already, however large and deep: pydantic would read and check them once more.

    With the request of a read, it gets the ETag of what was read.
    """
    headers = {"ETag": request.state.tag} if request is not None else None
    return Response(msgspec.json.encode(answer), status, headers, media_type="application/json")

"""The machine's shape: as a tree, as text, as a picture, as a graph, as a file for hwloc's tools."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from skb import topology as picture
from skb.api import models
from skb.api.context import Fresh, json
from skb.errors import InvalidRequest
from skb.topology.dot import dot
from skb.topology.hwloc_xml import NothingToWriteError, write
from skb.topology.svg import svg

router = APIRouter(tags=["reasoning"])

Format = Literal["json", "text", "svg", "dot", "hwloc-xml"]

MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "text": "text/plain",
    "svg": "image/svg+xml",
    "dot": "text/vnd.graphviz",
    "hwloc-xml": "application/xml",
}

LEFT_OUT = "X-Left-Out"
"""Header that says what of the machine hwloc's format has no place for, where there is such."""


@router.get(
    "/topology",
    response_model=models.Part,
    responses={
        200: {
            "content": {
                media_type: {"schema": {"type": "string"}} for form, media_type in MEDIA_TYPES.items() if form != "json"
            },
            "headers": {
                LEFT_OUT: {"description": "What a file for hwloc could not hold.", "schema": {"type": "string"}}
            },
        }
    },
)
async def topology(
    knowledge: Fresh,
    request: Request,
    format: Annotated[Format | None, Query(description="Without, by the header Accept; JSON by default.")] = None,  # noqa: A002  # the parameter's name in the API
) -> Response:
    """Give the machine as a tree: packages, caches, nodes, cores, PCI devices; or a picture of it."""
    form = format or _accepted(request.headers.get("accept", ""))
    headers = {"ETag": request.state.tag, "Vary": "Accept"}
    if form == "hwloc-xml":
        facts, _ = await knowledge.all_facts()
        try:
            written = await asyncio.to_thread(write, facts)
        except NothingToWriteError as error:
            raise InvalidRequest(str(error)) from error
        if written.left_out:
            headers[LEFT_OUT] = "; ".join(written.left_out)[:2000].encode("ascii", "replace").decode()
        return Response(written.text, headers=headers, media_type=MEDIA_TYPES[form])
    (term,), _ = await knowledge.rule("topology")
    machine = picture.tree(term)
    if form == "json":
        answer = json(machine, request)
        answer.headers["Vary"] = "Accept"
        return answer
    drawn = await asyncio.to_thread({"text": picture.text, "svg": svg, "dot": dot}[form], machine)
    return Response(drawn.rstrip("\n") + "\n", headers=headers, media_type=MEDIA_TYPES[form])


def _accepted(header: str) -> Format:
    """Give the form that a client likes best (RFC 9110, 12.5.1): of those that it likes alike, the first it names."""
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")):
        name, *parameters = (word.strip() for word in part.split(";"))
        quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            liked.append((-float(quality), place, name.lower()))
        except ValueError:
            continue
    for dislike, _, name in sorted(liked):
        if dislike < 0:
            for form, media_type in MEDIA_TYPES.items():
                if name in (media_type, media_type.partition("/")[0] + "/*"):
                    return form
            if name in ("*/*", "text/html"):  # as browsers ask
                return "json"
    return "json"

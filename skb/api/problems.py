"""Errors as RFC 9457 problem documents (`application/problem+json`), each with a stable `type`."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from skb.errors import ServiceError

log = structlog.get_logger()

TYPES = {
    400: ("bad-request", "The body cannot be read"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "The method is not for this path"),
}
"""Types and titles of what the framework finds wrong. Python's phrases for these numbers change with its version; types must not."""


def problem(type_: str, status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """Give the response for a problem."""
    body = {"type": f"/problems/{type_}", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def of_service_error(error: ServiceError) -> JSONResponse:
    """Give the response for an error of the service's own."""
    return problem(error.type, error.status, error.title, error.detail, **error.more)


class NotModified(Exception):
    """The client has the answer already: no problem, but answered in the same way."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag


class TooLarge(HTTPException):
    """A body goes on past the limit. An HTTPException, since FastAPI takes others for bodies that cannot be parsed."""

    def __init__(self, most: int) -> None:
        super().__init__(413)
        self.most = most


def too_large(most: int) -> JSONResponse:
    """Give the response for a body over the limit."""
    detail = f"a body may have {most} bytes; send less at a time"
    return problem("too-large", 413, "The body is too large", detail)


def foreign_host(host: str) -> JSONResponse:
    """Give the response for a request that was sent to a name that is not the loopback's."""
    detail = f"{host[:100]} is no name of this machine's loopback; ask at http://127.0.0.1 or http://localhost"
    return problem("foreign-host", 403, "This name is not served", detail)


def install(app: FastAPI) -> None:
    """Have every error of the application answered with a problem document."""

    @app.exception_handler(ServiceError)
    async def service_error(_: Request, error: ServiceError) -> JSONResponse:
        return of_service_error(error)

    @app.exception_handler(NotModified)
    async def not_modified(_: Request, answer: NotModified) -> Response:
        return Response(status_code=304, headers={"ETag": answer.tag})

    @app.exception_handler(TooLarge)
    async def over_the_limit(_: Request, error: TooLarge) -> JSONResponse:
        return too_large(error.most)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        detail = {
            400: "the body cannot be read as JSON: it is not UTF-8, nested too deeply, or has an integer of over 4300 digits",
            404: f"there is nothing at {request.url.path}; GET / lists what can be asked",
            405: f"{request.method} is not for {request.url.path}; see /openapi.json for what is",
        }.get(error.status_code, str(error.detail))
        type_, title = TYPES.get(error.status_code, ("http-error", "The request failed"))
        answer = problem(type_, error.status_code, title, detail)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem("invalid-request", 422, "The request does not make sense", f"{place}: {first['msg']}")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected", path=request.url.path, exc_info=error)
        return problem("internal", 500, "The service failed", "this is a defect of the service; its log says more")

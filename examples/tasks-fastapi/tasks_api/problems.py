"""Problem details (RFC 9457). Codes that the API has too are named alike."""

import re
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

Code = Literal[
    "request_invalid",
    "body_malformed",
    "user_mismatch",
    "route_unknown",
    "task_unknown",
    "method_not_allowed",
    "task_limit_reached",
    "body_too_large",
    "content_type_unsupported",
    "internal_error",
    "store_unavailable",
]

#: Status, title, fix.
_PROBLEMS: dict[Code, tuple[int, str, str]] = {
    "request_invalid": (
        400,
        "Request does not match its schema",
        "Send a title of 1 to 200 characters, a description of at most 2000, completed as a boolean, and nothing else.",
    ),
    "body_malformed": (400, "Request body unreadable", "Send valid JSON in UTF-8."),
    "user_mismatch": (403, "Path of another user", "Use the user id of the access token (sub) in the path."),
    "route_unknown": (404, "No such route", "Use /api/{user_id}/tasks or /api/{user_id}/tasks/{task_id}."),
    "task_unknown": (404, "No such task", "List the tasks of this user."),
    "method_not_allowed": (405, "Method not allowed", "Use a method of the Allow header."),
    "task_limit_reached": (409, "Too many tasks", "Delete tasks: a user has at most 500."),
    "body_too_large": (413, "Request body too large", "Send at most 16 KB."),
    "content_type_unsupported": (415, "Content type not supported", "Send application/json."),
    "internal_error": (500, "Internal error", "Try again later."),
    "store_unavailable": (503, "Database unavailable", "Try again later."),
}

_ROUTE = re.compile(r"/api/[^/]+/tasks(/[^/]+)?")


class Problem(Exception):
    """Ends a request with problem details."""

    def __init__(self, code: Code) -> None:
        """:param code: the code of the response"""
        super().__init__(code)
        self.code = code


def _response(code: Code, headers: dict[str, str] | None = None) -> Response:
    status, title, fix = _PROBLEMS[code]
    retryable = code == "store_unavailable"
    body = {"title": title, "status": status, "fix": fix, "code": code, "retryable": retryable}
    retry = {"retry-after": "1"} if retryable else {}
    return JSONResponse(body, status, {**retry, **(headers or {})}, "application/problem+json; charset=utf-8")


async def _on_problem(_request: Request, err: Exception) -> Response:
    return _response(err.code if isinstance(err, Problem) else "internal_error")


async def _on_http_error(request: Request, err: Exception) -> Response:
    known = _ROUTE.fullmatch(request.url.path)
    if known is None or not isinstance(err, HTTPException) or err.status_code not in (404, 405):
        return _response("route_unknown")
    return _response("method_not_allowed", {"allow": "PUT, DELETE" if known[1] else "GET, POST"})


async def _on_store_error(_request: Request, _err: Exception) -> Response:
    return _response("store_unavailable")


def handle_problems(app: FastAPI) -> None:
    """Makes every error of the application problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_error)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _on_store_error)
    app.add_exception_handler(Exception, _on_problem)

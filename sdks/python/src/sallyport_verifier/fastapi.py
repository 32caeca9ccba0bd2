"""Protects routes of FastAPI. Needs the extra: ``pip install "sallyport-verifier[fastapi]"``.

``protect(app, verifier)`` once, then ``Depends(get_current_user)`` or ``Depends(require(permission=…))``.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ._decision import Accepted
from ._dpop import certificate_thumbprint
from ._verifier import AsyncVerifier
from .request import Rejected, RequestFacts, authenticate_async

#: The accepted token of a request: ``sub``, ``claims``, ``scopes``, ``permissions``.
User = Accepted


class RequestRejected(HTTPException):
    """Raised by the dependencies; ``protect`` makes problem details of it."""

    def __init__(self, rejected: Rejected) -> None:
        """:param rejected: the response"""
        super().__init__(rejected.status, rejected.refusal.title, dict(rejected.headers))
        self.rejected = rejected


@dataclass(frozen=True, slots=True)
class _Guard:
    verifier: AsyncVerifier
    origin: str | None
    certificate: Callable[[Request], str | None] | None


def protect(
    app: FastAPI,
    verifier: AsyncVerifier,
    *,
    origin: str | None = None,
    certificate: Callable[[Request], str | None] | None = None,
) -> None:
    """Gives the routes of an application their verifier, which begins to read when the application starts.

    :param origin: public origin of this service, as ``https://tasks.example``, with the path prefix that a proxy
        removes. Set it when tokens are bound by DPoP: the Host header is the sender's choice. Default: scheme of the
        connection, and Host.
    :param certificate: the SHA-256 thumbprint of the client certificate of a request. Default: that of the ASGI
        extension ``tls``.
    """
    app.state.sallyport = _Guard(verifier, None if origin is None else origin.removesuffix("/"), certificate)
    app.add_exception_handler(RequestRejected, _respond)
    _start_with(app, verifier)


def _start_with(app: FastAPI, verifier: AsyncVerifier) -> None:
    """Not at the import: a server may fork its workers after it."""
    given = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        verifier.start()
        async with given(started) as state:
            yield state

    app.router.lifespan_context = lifespan


async def _respond(_request: Request, err: Exception) -> Response:
    rejected = cast(RequestRejected, err).rejected
    return JSONResponse(dict(rejected.body), rejected.status, dict(rejected.headers))


def _single(request: Request, name: str) -> str | None:
    """A header that was sent twice is no single value."""
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


def _peer_thumbprint(request: Request) -> str | None:
    chain = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_chain") or ()
    for pem in chain:
        return certificate_thumbprint(ssl.PEM_cert_to_DER_cert(pem))
    return None


def _facts_of(request: Request, guard: _Guard) -> RequestFacts:
    scope: Any = request.scope
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1").split("?", 1)[0]
    origin = guard.origin
    if origin is None:
        origin = f"{request.url.scheme}://{request.headers.get('host', '')}"
    read_certificate = _peer_thumbprint if guard.certificate is None else guard.certificate
    return RequestFacts(
        method=request.method,
        url=f"{origin}{path}",
        authorization=_single(request, "authorization"),
        dpop=_single(request, "dpop"),
        certificate=read_certificate(request),
    )


#: Only tells OpenAPI that the route needs a token.
_bearer = HTTPBearer(auto_error=False, description="Access token of Sallyport")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def _user_of(request: Request, scopes: Collection[str], permissions: Collection[str]) -> Accepted:
    guard = getattr(request.app.state, "sallyport", None)
    if not isinstance(guard, _Guard):
        raise RuntimeError("sallyport-verifier: call protect(app, verifier) first, for each application")
    result = await authenticate_async(guard.verifier, _facts_of(request, guard), scopes, permissions)
    if isinstance(result, Rejected):
        raise RequestRejected(result)
    return result


async def get_current_user(request: Request, _credentials: _Credentials) -> Accepted:
    """The accepted token of a request. A dependency; other requests are answered with 400, 401 or 503."""
    return await _user_of(request, (), ())


def _texts(value: str | Collection[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def require(
    *, scope: str | Collection[str] = (), permission: str | Collection[str] = ()
) -> Callable[..., Awaitable[Accepted]]:
    """A dependency like ``get_current_user`` that also requires scopes and permissions; 403 without them.

    :param scope: one scope, or several, all of which the token must have
    :param permission: one permission, or several, all of which the token must have
    """
    scopes, permissions = _texts(scope), _texts(permission)

    async def get_permitted_user(request: Request, _credentials: _Credentials) -> Accepted:
        return await _user_of(request, scopes, permissions)

    return get_permitted_user

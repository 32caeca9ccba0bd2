"""Verifies API keys that a service receives, by asking the API about each."""

import asyncio
import json
from collections.abc import Collection, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import httpx

from ._background import Background
from ._codes import VerifierError, refuse
from ._contract import DEFAULTS, HEADER_CHARACTERS, INTROSPECTION_BYTES
from ._http import ApiUnavailable, fetch_text
from ._options import settings_of
from ._text import is_text, parse_strict_object


@dataclass(frozen=True, slots=True)
class AcceptedApiKey:
    """What the API knows about an active key."""

    #: By the names of the claims of an access token, with ``api_key_id``. Times are Unix seconds.
    claims: Mapping[str, Any]

    @property
    def sub(self) -> str:
        """The id of the user or client that owns the key."""
        return str(self.claims["sub"])

    @property
    def permissions(self) -> frozenset[str]:
        """What the key may do, in the application with the audience of the verifier."""
        return frozenset(self.claims["permissions"])


def _claims_in(text: str) -> Mapping[str, Any] | None:
    """None for a key that is not active. Raises ApiUnavailable for an answer that is not a JSON object."""
    answer = parse_strict_object(text)
    if answer is None:
        raise ApiUnavailable("/v1/api-keys/verify answered without a JSON object")
    claims = answer.get("claims")
    if answer.get("active") is not True or not isinstance(claims, dict):
        return None
    permissions = claims.get("permissions")
    is_formed = isinstance(permissions, list) and all(isinstance(one, str) for one in permissions)
    return claims if is_formed and is_text(claims.get("sub")) else None


class _Core:
    """What both verifiers share."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | None = None,
        url: str | None = None,
        allow_http: bool = False,
        timeout: float = DEFAULTS["timeout"],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises ValueError for wrong options, such as a ``url`` without TLS.

        :param issuer: address of the API, as ``iss`` has it
        :param audience: of the application whose permissions to show; without it, all permissions of the key
        :param url: base URL of the API as this service reaches it, by default the issuer
        :param allow_http: allows ``url`` to be http on a trusted network: keys are sent to it
        :param timeout: limit of one request, seconds
        :param transport: replaces the network, for proxies and tests
        """
        settings = settings_of(
            {
                "issuer": issuer,
                "audience": audience,
                "url": url,
                "allow_http": allow_http,
                "timeout": timeout,
                "transport": transport,
                "feed": "off",
            }
        )
        self._url = f"{settings.api}/v1/api-keys/verify"
        self._audience = {} if audience is None else {"audience": audience}
        self._timeout = settings.timeout
        self._background = Background(settings.transport)

    async def _verify(self, key: str, permissions: Collection[str]) -> AcceptedApiKey:
        # Encoded, a key is never shorter than the API counts it; the keys of the API are ASCII.
        if not 0 < len(key.encode(errors="surrogatepass")) <= HEADER_CHARACTERS:
            raise VerifierError(refuse("unauthenticated"))
        try:
            text, _ = await fetch_text(
                self._background.client,
                "POST",
                self._url,
                headers={"content-type": "application/json"},
                content=json.dumps({"key": key, **self._audience}),
                timeout=self._timeout,
                maximum_bytes=INTROSPECTION_BYTES,
            )
            claims = _claims_in(text)
        except ApiUnavailable as err:
            raise VerifierError(refuse("revocation_state_stale")) from err
        if claims is None:
            raise VerifierError(refuse("unauthenticated"))
        accepted = AcceptedApiKey(claims)
        if not accepted.permissions.issuperset(permissions):
            raise VerifierError(refuse("permission_missing"))
        return accepted

    def close(self) -> None:
        """Ends the requests under way. Every key is refused with 503 afterwards."""
        self._background.close()


class ApiKeyVerifier(_Core):
    """Asks ``POST /v1/api-keys/verify`` about API keys. One serves a whole process, and may be called from any thread.

    >>> keys = ApiKeyVerifier(issuer="https://auth.example", audience="https://notes.example")  # doctest: +SKIP
    >>> owner = keys.verify(key, ["notes:read"]).sub  # doctest: +SKIP
    """

    def verify(self, key: str, permissions: Collection[str] = ()) -> AcceptedApiKey:
        """Asks the API about a key, each time: a revoked key is refused within a second.

        Raises VerifierError: ``unauthenticated`` (401) if the key is not active, ``permission_missing`` (403),
        ``revocation_state_stale`` (503) if the API cannot answer.

        :param permissions: all of which the key must have
        """
        try:
            return self._background.submit(lambda: self._verify(key, permissions)).result()
        except CancelledError:
            raise VerifierError(refuse("revocation_state_stale")) from None


class AsyncApiKeyVerifier(_Core):
    """Like ``ApiKeyVerifier``, for asyncio programs. One serves a whole process, and any number of event loops."""

    async def verify(self, key: str, permissions: Collection[str] = ()) -> AcceptedApiKey:
        """Asks the API about a key, each time: a revoked key is refused within a second.

        Raises VerifierError: ``unauthenticated`` (401) if the key is not active, ``permission_missing`` (403),
        ``revocation_state_stale`` (503) if the API cannot answer.

        :param permissions: all of which the key must have
        """
        try:
            return await asyncio.wrap_future(self._background.submit(lambda: self._verify(key, permissions)))
        except asyncio.CancelledError:
            if not self._background.is_closed:
                raise
            raise VerifierError(refuse("revocation_state_stale")) from None

"""An issuer in memory that mints, rotates keys, revokes and goes stale, for tests without a server."""

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qs

import httpx

from ._fake_keys import FakeKey, sign
from ._options import VerifierOptions
from ._text import decode_base64url, sha256

AlgorithmName = Literal["RS256", "ES256", "EdDSA", "HS256"]
Kind = Literal["jti", "sid", "family", "user", "client", "key"]
_LIFE_SECONDS = 900
_LONGEST_LIFE_SECONDS = 3600
_HEARTBEAT_SECONDS = 1.0
_CLIENT_ID, _CLIENT_SECRET = "fake-client", "fake-secret"


def _payload_of(token: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(decode_base64url(token.split(".")[1]) or b"{}"))


class FakeDpopClient:
    """A client with a DPoP key. Mint with ``cnf={"jkt": client.jkt}``."""

    def __init__(self, issuer: "FakeIssuer") -> None:
        """:param issuer: whose clock the proofs follow"""
        self._issuer = issuer
        self._key = FakeKey("ES256")
        #: SHA-256 thumbprint of its key.
        self.jkt = sha256(json.dumps(self._key.members, separators=(",", ":")).encode())

    def proof(self, method: str, url: str, token: str, **changes: Any) -> str:
        """The DPoP header of one request."""
        payload = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": url,
            "iat": int(self._issuer.now()),
            "ath": sha256(token.encode()),
            **changes,
        }
        return sign(payload, {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._key.members}, self._key.private)


@dataclass(frozen=True, slots=True)
class _Listener:
    loop: asyncio.AbstractEventLoop
    answers: "asyncio.Queue[str]"


class _Stream(httpx.AsyncByteStream):
    def __init__(self, issuer: "FakeIssuer", first: str) -> None:
        self._issuer = issuer
        self._first = first

    async def __aiter__(self) -> AsyncIterator[bytes]:
        listener = _Listener(asyncio.get_running_loop(), asyncio.Queue())
        self._issuer.listeners.append(listener)
        try:
            answer = self._first
            while True:
                if not self._issuer.is_silent:
                    yield f"event: revocations\ndata: {answer}\n\n".encode()
                try:
                    answer = await asyncio.wait_for(listener.answers.get(), _HEARTBEAT_SECONDS)
                except (TimeoutError, asyncio.TimeoutError):
                    answer = self._issuer.answer(self._issuer.epoch, self._issuer.incarnation)
        finally:
            self._issuer.listeners.remove(listener)


class FakeIssuer(httpx.AsyncBaseTransport):
    """Answers as the API does: JWKS, feed, stream, introspection and API keys. Give ``options`` to a verifier.

    A verifier of API keys takes its address and itself: ``ApiKeyVerifier(issuer=…, transport=fake_issuer)``.
    """

    def __init__(
        self,
        issuer: str = "https://auth.test",
        audience: str = "https://api.test",
        algorithm: AlgorithmName = "ES256",
        secret: str = "a secret of the fake issuer, long enough for HS256",  # noqa: S107 - of tests
        max_staleness: float = 2,
    ) -> None:
        """:param algorithm: of the keys. HS256 signs access tokens with ``secret``
        :param max_staleness: the bound that the feed names, seconds
        """
        self._issuer = issuer
        self._audience = audience
        self._algorithm = algorithm
        self._secret = secret
        self._max_staleness = max_staleness
        self._offset: float = 0
        self._entries: list[dict[str, Any]] = []
        self._keys: list[FakeKey] = []
        self._api_keys: dict[str, dict[str, Any]] = {}
        self.is_silent = False
        self.incarnation = str(uuid.uuid4())
        self.epoch = 0
        self.listeners: list[_Listener] = []
        #: How many requests were answered, by path.
        self.requests: Counter[str] = Counter()
        self.rotate()

    @property
    def options(self) -> VerifierOptions:
        """For ``Verifier(**issuer.options)``: issuer, audience, client, transport and clock."""
        options: VerifierOptions = {
            "issuer": self._issuer,
            "audience": self._audience,
            "client_id": _CLIENT_ID,
            "client_secret": _CLIENT_SECRET,
            "algorithms": [self._algorithm],
            "transport": self,
            "now": self.now,
        }
        if self._algorithm == "HS256":
            options["secret"] = self._secret
        return options

    def now(self) -> float:
        """The clock of the issuer, and of verifiers with its options. Unix seconds."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves the clock."""
        self._offset += seconds

    def rotate(self) -> str:
        """Makes a new key, which signs from now on; the last ones stay published. Returns its kid."""
        self._keys.append(FakeKey("ES256" if self._algorithm == "HS256" else self._algorithm))
        return self._keys[-1].kid

    def retire(self, kid: str) -> None:
        """Takes a key out of the key set. Raises ValueError for the last one, and for an unknown one."""
        left = [key for key in self._keys if key.kid != kid]
        if len(left) in (0, len(self._keys)):
            raise ValueError("there is no such key, or it is the last")
        self._keys = left

    def mint(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An access token of a sign-in that lasts 15 minutes. A claim that is None is left out."""
        issued_at = int(self.now())
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": "user-1",
            "client_id": "client-1",
            "iat": issued_at,
            "exp": issued_at + _LIFE_SECONDS,
            "jti": str(uuid.uuid4()),
            "sid": "session-1",
            "fid": "family-1",
            "scope": "openid",
            "permissions": [],
            "ue": 0,
            "ce": 0,
            **claims,
        }
        is_shared = self._algorithm == "HS256"
        kid = "shared-secret" if is_shared else self._keys[-1].kid
        key = self._secret.encode() if is_shared else self._keys[-1].private
        members = {name: value for name, value in payload.items() if value is not None}
        return sign(members, {"alg": self._algorithm, "kid": kid, "typ": "at+jwt", **(header or {})}, key)

    def create_api_key(self, **claims: Any) -> str:
        """An API key that lives 15 minutes."""
        key = f"sp_ak_{uuid.uuid4().hex}"
        self._api_keys[key] = {
            "iss": self._issuer,
            "aud": [self._audience],
            "sub": "user-1",
            "client_id": "sallyport",
            "api_key_id": str(uuid.uuid4()),
            "exp": int(self.now()) + _LIFE_SECONDS,
            "scope": " ".join(claims.get("permissions", ())),
            "permissions": [],
            **claims,
        }
        return key

    def revoke_api_key(self, key: str) -> None:
        """Revokes an API key. Raises KeyError for an unknown one."""
        del self._api_keys[key]

    def revoke(
        self,
        token: str | None = None,
        *,
        kind: Kind = "jti",
        value: str = "",
        token_epoch: int = 1,
        reason: str | None = None,
    ) -> None:
        """Revokes a token, or what ``kind`` and ``value`` name. Verifiers learn it with their next answer of the feed.

        :param token_epoch: of ``user`` and ``client``: tokens issued with a lower epoch are refused
        """
        self.epoch += 1
        entry: dict[str, Any] = {
            "epoch": self.epoch,
            "kind": kind,
            "value": value if token is None else _payload_of(token)["jti"],
            "expires_at": int(self.now()) + _LONGEST_LIFE_SECONDS,
        }
        if kind in ("user", "client"):
            entry["token_epoch"] = token_epoch
        if reason is not None:
            entry["reason"] = reason
        self._entries.append(entry)
        self._announce()

    def go_stale(self) -> None:
        """Stops answering: verifiers go stale."""
        self.is_silent = True

    def recover(self) -> None:
        """Answers again."""
        self.is_silent = False

    def restore(self) -> None:
        """Becomes a restored database: another incarnation, in which nothing is revoked."""
        self.incarnation = str(uuid.uuid4())
        self._entries = []
        self.epoch = 0
        self._announce()

    def new_dpop_client(self) -> FakeDpopClient:
        """A client with a DPoP key of its own."""
        return FakeDpopClient(self)

    def answer(self, asked: int = 0, asked_of: str | None = None, **changes: Any) -> str:
        """A signed answer of the feed.

        :param asked: epoch from which it continues
        :param asked_of: the incarnation of that epoch
        """
        is_known = asked <= self.epoch and asked_of in (None, self.incarnation)
        since = asked if is_known else 0
        payload = {
            "iss": self._issuer,
            "incarnation": self.incarnation,
            "epoch": self.epoch,
            "since": since,
            "issued_at": self.now(),
            "max_staleness_s": self._max_staleness,
            "complete": True,
            "entries": [entry for entry in self._entries if entry["epoch"] > since],
            **changes,
        }
        key = self._keys[-1]
        return sign(payload, {"alg": key.alg, "kid": key.kid, "typ": "revocations+jwt"}, key.private)

    def _announce(self) -> None:
        answer = self.answer()
        for listener in list(self.listeners):
            listener.loop.call_soon_threadsafe(listener.answers.put_nowait, answer)

    def _is_revoked(self, token: str) -> bool:
        claims = _payload_of(token)
        names = {"jti": "jti", "sid": "sid", "family": "fid", "user": "sub", "client": "client_id"}
        epochs = {"user": claims.get("ue", 0), "client": claims.get("ce", 0)}
        return any(
            entry["kind"] in names
            and claims.get(names[entry["kind"]]) == entry["value"]
            and epochs.get(entry["kind"], -1) < entry.get("token_epoch", 0)
            for entry in self._entries
        )

    def _api_key_answer(self, body: dict[str, Any]) -> dict[str, Any]:
        claims = self._api_keys.get(body["key"])
        if claims is None or claims["exp"] <= self.now():
            return {"active": False, "reason": "invalid"}
        if body.get("audience", self._audience) not in claims["aud"]:
            return {"active": False, "reason": "wrong_audience"}
        return {"active": True, "claims": claims}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers a request of a verifier."""
        path = request.url.path
        self.requests[path] += 1
        if self.is_silent:
            raise httpx.ConnectError("the fake issuer is silent")
        if path == "/.well-known/jwks.json":
            return httpx.Response(200, json={"keys": [key.jwk for key in self._keys]})
        if path == "/v1/api-keys/verify":
            return httpx.Response(200, json=self._api_key_answer(json.loads(await request.aread())))
        expected = base64.b64encode(f"{_CLIENT_ID}:{_CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return httpx.Response(401)
        if path == "/oauth2/introspect":
            token = parse_qs((await request.aread()).decode()).get("token", [""])[0]
            return httpx.Response(200, json={"active": not self._is_revoked(token)})
        if path not in ("/v1/revocations", "/v1/revocations/stream"):
            return httpx.Response(404)
        answer = self.answer(int(request.url.params.get("since", 0)), request.url.params.get("incarnation"))
        if path.endswith("/stream"):
            return httpx.Response(200, stream=_Stream(self, answer))
        return httpx.Response(200, text=answer)

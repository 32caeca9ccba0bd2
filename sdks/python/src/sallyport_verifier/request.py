"""Verifies the token of a request, for frameworks that have no module of their own."""

import hashlib
import re
import threading
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._codes import Refusal, refuse
from ._contract import PROOF_SECONDS, PROOFS_REMEMBERED, VerifierCode
from ._decision import Accepted, Requirements, Result
from ._dpop import Dpop, Proof, ahead_seconds
from ._options import Settings
from ._verifier import AsyncVerifier, Verifier

#: RFC 6750 §2.1: b64token.
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/-]+=*")
_PROOF_ALGORITHMS = "ES256 RS256 EdDSA"
_RETRY_AFTER_SECONDS = "1"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is read of a request."""

    method: str
    #: The URL that the client used: public origin and whole path.
    url: str
    authorization: str | None = None
    #: The DPoP header.
    dpop: str | None = None
    #: SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3).
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A request that is not accepted, and its response: problem details (RFC 9457)."""

    refusal: Refusal
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def status(self) -> int:
        """Status of the response."""
        return self.refusal.status


_Scheme = Literal["Bearer", "DPoP"]


@dataclass(frozen=True, slots=True)
class _Credential:
    scheme: _Scheme
    token: str


def _credential_of(authorization: str | None) -> _Credential | Refusal:
    """The token of an Authorization header. ``unauthenticated`` for none and for another scheme."""
    name, space, rest = (authorization or "").partition(" ")
    if name.lower() not in ("bearer", "dpop"):
        return refuse("unauthenticated")
    token = rest.strip() if space else ""
    if _TOKEN.fullmatch(token) is None:
        return refuse("request_invalid")
    return _Credential("DPoP" if name.lower() == "dpop" else "Bearer", token)


def _quoted(name: str, value: str) -> str:
    text = value.replace('"', "").replace("\\", "")
    return f'{name}="{text}"'


def _challenge_of(refusal: Refusal, scheme: _Scheme | None, scopes: str) -> str | None:
    """RFC 6750 §3 and RFC 9449 §7.1: a challenge names an error only if a token was sent."""
    code = refusal.code
    if refusal.status != 401 and code != "insufficient_scope":
        return None
    if scheme is None:
        return "Bearer"
    description = _quoted("error_description", refusal.title)
    algorithms = _quoted("algs", _PROOF_ALGORITHMS)
    if code == "insufficient_scope":
        return f"{scheme} {_quoted('error', code)}, {description}, {_quoted('scope', scopes)}"
    is_proof = code == "binding_mismatch"
    if scheme == "DPoP":
        error = _quoted("error", "invalid_dpop_proof" if is_proof else "invalid_token")
        return f"DPoP {algorithms}, {error}, {description}"
    # A bound token under Bearer: its client must use the scheme DPoP, or its certificate.
    challenge = f"Bearer {_quoted('error', 'invalid_token')}, {description}"
    return f"{challenge}, DPoP {algorithms}" if is_proof else challenge


def _rejected(
    refusal: Refusal, settings: Settings, scheme: _Scheme | None, scopes: Collection[str], permissions: Collection[str]
) -> Rejected:
    required = " ".join(dict.fromkeys((*settings.required_scopes, *scopes)))
    headers = {"content-type": "application/problem+json; charset=utf-8", "cache-control": "no-store"}
    challenge = _challenge_of(refusal, scheme, required)
    if challenge is not None:
        headers["www-authenticate"] = challenge
    if refusal.status == 503:
        headers["retry-after"] = _RETRY_AFTER_SECONDS
    body: dict[str, Any] = {"title": refusal.title, "status": refusal.status}
    if refusal.code == "insufficient_scope":
        body["detail"] = f"Required scopes: {required}"
    if refusal.code == "permission_missing":
        body["detail"] = f"Required permissions: {' '.join(permissions)}"
    body |= {"fix": refusal.fix, "code": refusal.code, "retryable": refusal.retryable}
    return Rejected(refusal, headers, body)


class _UsedProofs:
    """Remembers digests of proofs for as long as each could be accepted, in two generations of limited number."""

    def __init__(self, settings: Settings) -> None:
        self._now = settings.now
        self._window = PROOF_SECONDS + 2 * ahead_seconds(settings.clock_skew) + 1
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._turned_at = self._now()
        self._lock = threading.Lock()

    def use(self, proof: Proof) -> VerifierCode | None:
        """None when the proof is used for the first time; else why it is refused."""
        # JSON can name half of a surrogate pair, which strict UTF-8 does not encode.
        digest = hashlib.sha256(f"{proof.jkt}\0{proof.jti}".encode(errors="surrogatepass")).digest()
        with self._lock:
            passed = self._now() - self._turned_at
            if passed >= self._window:
                self._old = self._young if passed < 2 * self._window else set()
                self._young = set()
                self._turned_at = self._now()
            if digest in self._young or digest in self._old:
                return "binding_mismatch"
            if len(self._young) >= PROOFS_REMEMBERED:
                return "too_many_proofs"
            self._young.add(digest)
            return None


_used_proofs: "weakref.WeakKeyDictionary[object, _UsedProofs]" = weakref.WeakKeyDictionary()
_used_proofs_lock = threading.Lock()


def _use_proof(verifier: Verifier | AsyncVerifier, proof: Proof) -> VerifierCode | None:
    with _used_proofs_lock:
        used = _used_proofs.get(verifier)
        if used is None:
            used = _used_proofs[verifier] = _UsedProofs(verifier.settings)
    return used.use(proof)


def _requirements_of(
    credential: _Credential, facts: RequestFacts, scopes: Collection[str], permissions: Collection[str]
) -> Requirements:
    # Under Bearer no proof is read, so a token that is bound to a key is refused there (RFC 9449 §7.1).
    dpop = Dpop(facts.dpop or "", facts.method, facts.url) if credential.scheme == "DPoP" else None
    return Requirements(scopes, permissions, dpop, facts.certificate)


def _judged(
    verifier: Verifier | AsyncVerifier,
    result: Result,
    scheme: _Scheme | None,
    scopes: Collection[str],
    permissions: Collection[str],
) -> Accepted | Rejected:
    if isinstance(result, Accepted):
        code = None if result.proof is None else _use_proof(verifier, result.proof)
        if code is None:
            return result
        result = refuse(code)
    return _rejected(result, verifier.settings, scheme, scopes, permissions)


def authenticate(
    verifier: Verifier, facts: RequestFacts, scopes: Collection[str] = (), permissions: Collection[str] = ()
) -> Accepted | Rejected:
    """Verifies the token of a request, with its proof of possession. Never raises. A proof is accepted once.

    :returns: Accepted, or Rejected with status, headers and body of the response
    """
    credential = _credential_of(facts.authorization)
    if isinstance(credential, Refusal):
        return _judged(verifier, credential, None, scopes, permissions)
    result = verifier.verify(credential.token, _requirements_of(credential, facts, scopes, permissions))
    return _judged(verifier, result, credential.scheme, scopes, permissions)


async def authenticate_async(
    verifier: AsyncVerifier, facts: RequestFacts, scopes: Collection[str] = (), permissions: Collection[str] = ()
) -> Accepted | Rejected:
    """Like ``authenticate``, for asyncio."""
    credential = _credential_of(facts.authorization)
    if isinstance(credential, Refusal):
        return _judged(verifier, credential, None, scopes, permissions)
    result = await verifier.verify(credential.token, _requirements_of(credential, facts, scopes, permissions))
    return _judged(verifier, result, credential.scheme, scopes, permissions)

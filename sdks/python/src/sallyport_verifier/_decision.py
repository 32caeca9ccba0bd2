"""Decides about tokens from memory: no function of this module makes I/O."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ._codes import Refusal, refuse
from ._contract import TOKEN_CHARACTERS, VerifierCode
from ._dpop import Dpop, Proof, ProofChecker
from ._key_store import KeyStore
from ._keys import ASYMMETRIC, KnownKey, verifies_hs256
from ._options import Settings
from ._revocations import Revocations
from ._text import parse_strict_object, text_of
from ._token import ParsedToken, has_valid_claims, parse_token

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_TYPES = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """A token that is accepted."""

    token: str = field(repr=False)
    #: The claims of RFC 9068 §2.2, and those of Sallyport. Times are Unix seconds.
    claims: Mapping[str, Any]
    #: True when the token was accepted by keys or revocations older than allowed (``on_stale``).
    stale: bool
    #: The proof that came with a bound token.
    proof: Proof | None = None
    #: The token is one of the old provider (``legacy``), and None for tokens of Sallyport. Its claims are those of that
    #: provider, without roles and permissions; only ``aud``, ``sub`` and ``exp`` are sure.
    issuer_kind: Literal["legacy"] | None = None
    ok: Literal[True] = True
    code: Literal["active"] = "active"

    @property
    def sub(self) -> str:
        """The user's id, or the client's id for client credentials."""
        return str(self.claims["sub"])

    @property
    def client_id(self) -> str:
        """The client that the token was issued to; empty if a token of the old provider names none."""
        return str(self.claims.get("client_id", ""))

    @property
    def scopes(self) -> frozenset[str]:
        """What the user allowed the client to do."""
        return frozenset(self.claims.get("scope", "").split())

    @property
    def permissions(self) -> frozenset[str]:
        """What the token may do. Decide by these, and not by roles."""
        return frozenset(self.claims.get("permissions", ()))


Result = Accepted | Refusal


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one request requires, beside the options of the verifier."""

    #: Every one must be in the token's scope.
    scopes: Collection[str] = ()
    #: Every one must be among the token's permissions.
    permissions: Collection[str] = ()
    dpop: Dpop | None = None
    #: SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3).
    certificate: str | None = None


NO_REQUIREMENTS = Requirements()


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature, type and claim types are verified. What depends on time is checked on every use."""

    token: str
    claims: Mapping[str, Any]
    kid: str
    #: The key that verified it; None for a shared secret.
    key: KnownKey | None


class VerifiedTokens:
    """Keeps verified tokens by their whole text, in two generations, so that tokens in use stay.

    Only tokens that were accepted are kept, so no attacker can fill it.
    """

    def __init__(self, maximum: int) -> None:
        self._half = (maximum + 1) // 2
        self._young: dict[str, Verified] = {}
        self._old: dict[str, Verified] = {}

    def get(self, token: str) -> Verified | None:
        found = self._young.get(token)
        if found is None:
            found = self._old.pop(token, None)
            if found is not None:
                self.keep(found)
        return found

    def keep(self, verified: Verified) -> None:
        if self._half == 0:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[verified.token] = verified

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


@dataclass(frozen=True)
class UnknownKid:
    """The token names a key that is not in memory: a fetch may bring it."""

    kid: str


class Decider:
    """Verifies tokens by what was read last."""

    def __init__(self, settings: Settings, keys: KeyStore, revocations: Revocations) -> None:
        """Decides by these keys and revocations."""
        self._settings = settings
        self._keys = keys
        self._revocations = revocations
        self._proofs = ProofChecker(settings.clock_skew)
        self.verified_tokens = VerifiedTokens(settings.cache_size)
        #: A verifier of shared secrets without a feed needs no published key.
        self.uses_keys = settings.feed != "off" or not settings.algorithms.isdisjoint(ASYMMETRIC)

    def _key_for(self, parsed: ParsedToken, has_asked: bool) -> KnownKey | VerifierCode | UnknownKid:
        keys, settings = self._keys, self._settings
        known = keys.find(parsed.kid)
        if known is None and not keys.is_published(parsed.kid):
            if not self.uses_keys or settings.feed == "file":
                return "unknown_key"
            if not has_asked:
                return UnknownKid(parsed.kid)
            # A key that may just have been published is not known yet, which is no verdict on the token.
            return "unknown_key" if keys.lacks(parsed.kid) else "key_ring_behind"
        if known is None or known.alg not in settings.algorithms:
            return "unknown_key"
        return known if parsed.alg == known.alg else "bad_signature"

    def _signer_of(self, parsed: ParsedToken, has_asked: bool) -> KnownKey | VerifierCode | UnknownKid | None:
        """The key that signed the token; None for a shared secret."""
        secrets = self._settings.secrets
        # A secret is never tried for a published kid: no public key can be taken for a secret, no secret for a key.
        if secrets and parsed.alg not in ASYMMETRIC and not self._keys.is_published(parsed.kid):
            if parsed.alg != "HS256":
                return "bad_signature"
            signed = (verifies_hs256(secret, parsed.signing_input, parsed.signature) for secret in secrets)
            return None if any(signed) else "bad_signature"
        key = self._key_for(parsed, has_asked)
        if isinstance(key, KnownKey) and not key.verifies(parsed.signing_input, parsed.signature):
            return "bad_signature"
        return key

    def _verify_token(self, token: str, has_asked: bool) -> Verified | VerifierCode | UnknownKid:
        """Verifies what time does not change: form, signature, type and claim types."""
        parsed = parse_token(token, TOKEN_CHARACTERS) if isinstance(token, str) else None
        if parsed is None:
            return "malformed"
        signer = self._signer_of(parsed, has_asked)
        if isinstance(signer, str | UnknownKid):
            return signer
        if not isinstance(parsed.typ, str) or parsed.typ.lower() not in _TYPES:
            return "wrong_type"
        text = text_of(parsed.payload)
        claims = None if text is None else parse_strict_object(text)
        if claims is None or not has_valid_claims(claims):
            return "malformed"
        return Verified(token, MappingProxyType(claims), parsed.kid, signer)

    def _objection_to(self, verified: Verified) -> VerifierCode | None:
        """What may change while the token lives: time and revocations."""
        claims, settings = verified.claims, self._settings
        if self._revocations.is_key_revoked(verified.kid):
            return "key_compromised"
        if claims["iss"] != settings.issuer:
            return "wrong_issuer"
        audience = claims["aud"]
        if settings.audience != audience and (isinstance(audience, str) or settings.audience not in audience):
            return "wrong_audience"
        now = settings.now()
        if now >= claims["exp"] + settings.clock_skew:
            return "expired"
        latest = now + settings.clock_skew
        if claims["iat"] > latest or claims.get("nbf", 0) > latest:
            return "not_yet_valid"
        return self._revocations.objection_to(claims)

    def _binding_of(self, verified: Verified, requirements: Requirements) -> Proof | VerifierCode | None:
        """The proof, when every key that the token is bound to was proved. None when no proof is needed."""
        confirmation = verified.claims.get("cnf")
        if confirmation is None:
            return None if requirements.dpop is None else "binding_mismatch"
        if "x5t#S256" in confirmation:
            thumbprint = confirmation["x5t#S256"]
            if not isinstance(thumbprint, str) or requirements.certificate != thumbprint:
                return "binding_mismatch"
        if "jkt" not in confirmation:
            # A token that is bound only by unknown methods is never accepted.
            return None if "x5t#S256" in confirmation else "binding_mismatch"
        jkt = confirmation["jkt"]
        if requirements.dpop is None or not isinstance(jkt, str) or _THUMBPRINT.fullmatch(jkt) is None:
            return "binding_mismatch"
        proof = self._proofs.check(requirements.dpop, verified.token, self._settings.now())
        return proof if proof is not None and proof.jkt == jkt else "binding_mismatch"

    def decide(self, token: str, requirements: Requirements, is_stale: bool, has_asked: bool) -> Result | UnknownKid:
        """The result for a token.

        :param has_asked: whether a fetch for an unknown kid was made, or is not allowed
        """
        known = self.verified_tokens.get(token) if isinstance(token, str) else None
        if known is not None and known.key is not None and self._keys.find(known.kid) is not known.key:
            known = None
        verified = known or self._verify_token(token, has_asked)
        if isinstance(verified, UnknownKid):
            return verified
        if isinstance(verified, str):
            return refuse(verified)
        objection = self._objection_to(verified)
        if objection is not None:
            return refuse(objection)
        result = self.accept(verified, requirements, is_stale)
        if known is None and isinstance(result, Accepted):
            self.verified_tokens.keep(verified)
        return result

    def is_remembered(self, token: str) -> bool:
        """Whether the token was accepted before, as one of Sallyport."""
        return isinstance(token, str) and self.verified_tokens.get(token) is not None

    def accept(
        self,
        verified: Verified,
        requirements: Requirements,
        is_stale: bool,
        issuer_kind: Literal["legacy"] | None = None,
    ) -> Result:
        """Checks what the request requires of a verified token."""
        binding = self._binding_of(verified, requirements)
        if isinstance(binding, str):
            return refuse(binding)
        claims = verified.claims
        required = (*self._settings.required_scopes, *requirements.scopes)
        if required and not set(claims.get("scope", "").split(" ")).issuperset(required):
            return refuse("insufficient_scope")
        if requirements.permissions and not set(claims.get("permissions", ())).issuperset(requirements.permissions):
            return refuse("permission_missing")
        return Accepted(verified.token, claims, is_stale, binding, issuer_kind)

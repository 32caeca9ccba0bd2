"""Access tokens of the old provider, until the bridge ends."""

import hashlib
import re
from types import MappingProxyType
from typing import Any

from ._background import Background
from ._contract import TOKEN_CHARACTERS, VerifierCode
from ._decision import UnknownKid, Verified, VerifiedTokens
from ._key_store import KeyStore
from ._keys import KnownKey
from ._options import LegacyIssuer, Settings
from ._revocations import Revocations
from ._text import decode_base64url, is_count, is_text, parse_strict_object, text_of
from ._token import ParsedToken, parse_foreign_token

#: After a failed fetch, requests do not wait for another one for this long, seconds.
_PATIENCE = 1
_LONGEST_ID = 255
#: Without ``typ`` too; every other type is a token for another purpose, as a logout token (RFC 8725 §3.11).
_TYPES = re.compile(r"(?:application/)?(?:at\+)?jwt", re.IGNORECASE)
#: The same by claims, as Keycloak (``typ``) and Cognito (``token_use``) have them.
_CLAIMED_TYPES = frozenset({"bearer", "access", "jwt", "at+jwt"})


def _payload_of(data: bytes | None) -> dict[str, Any] | None:
    text = None if data is None else text_of(data)
    return None if text is None else parse_strict_object(text)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID


def _has_claims(claims: dict[str, Any]) -> bool:
    """Whether the claims that every provider writes have their types."""
    audience = claims.get("aud")
    return (
        (is_text(audience) or (isinstance(audience, list) and all(map(is_text, audience))))
        and _is_id(claims.get("sub"))
        and is_count(claims.get("exp"))
        and all(is_count(claims[name]) for name in ("iat", "nbf") if name in claims)
        and isinstance(claims.get("scope", ""), str)
        and isinstance(claims.get("cnf", {}), dict)
    )


def _is_access_token(claims: dict[str, Any]) -> bool:
    """Whether claims are of an access token that its user holds, and no one who acts for the user."""
    types = [claims[name] for name in ("typ", "token_use") if name in claims]
    return (
        all(isinstance(kind, str) and kind.lower() in _CLAIMED_TYPES for kind in types)
        and "events" not in claims
        and "act" not in claims
    )


class LegacyTokens:
    """Verifies tokens of the old provider by what was read last. Only ``read_keys`` and ``keys`` make I/O."""

    def __init__(
        self,
        settings: Settings,
        legacy: LegacyIssuer,
        background: Background,
        ours: KeyStore,
        revocations: Revocations,
    ) -> None:
        """:param ours: keys of Sallyport: none of them signs a token of another issuer"""
        self._settings = settings
        self._legacy = legacy
        self._until = legacy.until.timestamp()
        self._ours = ours
        self._revocations = revocations
        self.keys = KeyStore(settings, background, legacy.jwks_uri)
        self._known = VerifiedTokens(settings.cache_size)
        self._failed_at = float("-inf")

    def is_for(self, token: str) -> bool:
        """Whether a token says that the old provider issued it; verifies nothing."""
        if not isinstance(token, str):
            return False
        if self._known.get(token) is not None:
            return True
        parts = token.split(".", 3) if len(token) <= TOKEN_CHARACTERS else []
        claims = _payload_of(decode_base64url(parts[1])) if len(parts) == 3 else None
        return claims is not None and claims.get("iss") == self._legacy.issuer

    def parse(self, token: str) -> ParsedToken | VerifierCode:
        """The parts of a token that may be the old provider's, or why it cannot be."""
        if self._settings.now() >= self._until:
            return "wrong_issuer"
        parsed = parse_foreign_token(token, TOKEN_CHARACTERS)
        if parsed is None:
            return "malformed"
        return "unknown_key" if self._ours.is_published(parsed.kid) else parsed

    def may_read_keys(self) -> bool:
        """Whether the keys are too old, and no fetch failed just now."""
        if self.keys.is_fresh():
            self.keys.renew_when_due()
            return False
        return not 0 <= self._settings.now() - self._failed_at < _PATIENCE

    async def read_keys(self) -> None:
        """Fetches the keys; calls during a fetch share it."""
        if not await self.keys.renew():
            self._failed_at = self._settings.now()

    def _key_for(self, parsed: ParsedToken, has_asked: bool) -> KnownKey | VerifierCode | UnknownKid:
        if not self.keys.is_published(parsed.kid):
            if not has_asked:
                return UnknownKid(parsed.kid)
            return "unknown_key" if self.keys.lacks(parsed.kid) else "key_ring_behind"
        return self.keys.find(parsed.kid) or "unknown_key"

    def _session_of(self, token: str, claims: dict[str, Any]) -> str:
        """The name of its session in the feed: by ``sid`` (``session_id`` at Supabase), else the token itself."""
        parts = ["token", token]
        for kind, name in (("jti", "jti"), ("sid", "session_id"), ("sid", "sid")):
            if _is_id(claims.get(name)):
                parts = [kind, claims[name]]
        return "legacy:" + hashlib.sha256("\0".join([self._legacy.issuer, *parts]).encode()).hexdigest()

    def _verify_new(self, token: str, parsed: ParsedToken, key: KnownKey) -> Verified | VerifierCode:
        if parsed.alg != key.alg or not key.verifies(parsed.signing_input, parsed.signature):
            return "bad_signature"
        typ = parsed.typ
        if typ is not None and not (isinstance(typ, str) and _TYPES.fullmatch(typ)):
            return "wrong_type"
        claims = _payload_of(parsed.payload)
        if claims is None or not _has_claims(claims):
            return "malformed"
        if not _is_access_token(claims):
            return "wrong_type"
        # Roles and permissions of a token are those of Sallyport.
        kept = {name: value for name, value in claims.items() if name not in ("roles", "permissions")}
        return Verified(token, MappingProxyType(kept), parsed.kid, key)

    def _objection_to(self, verified: Verified) -> VerifierCode | None:
        claims, settings = verified.claims, self._settings
        audience = claims["aud"]
        if self._legacy.audience not in ([audience] if isinstance(audience, str) else audience):
            return "wrong_audience"
        now = settings.now()
        if now >= claims["exp"] + settings.clock_skew:
            return "expired"
        latest = now + settings.clock_skew
        if claims.get("iat", 0) > latest or claims.get("nbf", 0) > latest:
            return "not_yet_valid"
        session = self._session_of(verified.token, dict(claims))
        return "session_ended" if self._revocations.is_session_ended(session) else None

    def verify(self, token: str, parsed: ParsedToken, has_asked: bool) -> Verified | VerifierCode | UnknownKid:
        """The token, or why it is not accepted.

        :param has_asked: whether a fetch for an unknown kid was made, or is not allowed
        """
        if not self.keys.is_fresh():
            return "key_ring_behind"
        key = self._key_for(parsed, has_asked)
        if not isinstance(key, KnownKey):
            return key
        cached = self._known.get(token)
        verified = cached if cached is not None and cached.key is key else self._verify_new(token, parsed, key)
        if isinstance(verified, str):
            return verified
        objection = self._objection_to(verified)
        if objection is not None:
            return objection
        if verified is not cached:
            self._known.keep(verified)
        return verified

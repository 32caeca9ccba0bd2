"""Proofs of possession: DPoP (RFC 9449) and client certificates (RFC 8705)."""

import json
import math
from dataclasses import dataclass
from typing import Any

import httpx

from ._contract import PROOF_AHEAD_SECONDS, PROOF_CHARACTERS, PROOF_CLAIM_CHARACTERS, PROOF_SECONDS
from ._keys import KnownKey, has_private_member, import_key, public_members_of
from ._text import (
    decode_base64url,
    is_canonical_base64url,
    is_number,
    is_text,
    parse_strict_object,
    sha256,
    text_of,
)

#: Bytes of a modulus of 4,096 bits: verifying with a longer key would cost too much for one request.
_LONGEST_MODULUS = 512
_CACHED_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Dpop:
    """The DPoP proof of a request, and the method and URL of that request (RFC 9449 §7.1)."""

    proof: str
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A valid proof: thumbprint of its key, and its id. Whether it was used before is not checked yet."""

    jkt: str
    jti: str


def ahead_seconds(clock_skew: float) -> float:
    """How far the clock of a client may be ahead. FAPI 2.0 §5.3.2.1 allows clients 10 seconds."""
    return max(clock_skew, PROOF_AHEAD_SECONDS)


def certificate_thumbprint(der: bytes) -> str:
    """SHA-256 thumbprint of a certificate in DER, base64url (RFC 8705 §3.1)."""
    return sha256(der)


def _object_of(segment: str) -> dict[str, Any] | None:
    data = decode_base64url(segment)
    text = None if data is None else text_of(data)
    return None if text is None else parse_strict_object(text)


def _address_of(url: object) -> tuple[str, str, int | None, bytes] | None:
    """What is compared of a URL: without query and fragment (RFC 9449 §4.3), normalised by RFC 3986 §6.2.2."""
    if not isinstance(url, str):
        return None
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None
    if parsed.scheme not in ("http", "https") or parsed.host == "":
        return None
    return parsed.scheme, parsed.host, parsed.port, parsed.raw_path.split(b"?", 1)[0]


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and is_text(value) and len(value) <= PROOF_CLAIM_CHARACTERS


class ProofChecker:
    """Checks proofs. Keeps imported keys: importing one costs as much as verifying a signature."""

    def __init__(self, clock_skew: float) -> None:
        """:param clock_skew: seconds"""
        self._ahead = ahead_seconds(clock_skew)
        self._keys: dict[tuple[str, str], KnownKey] = {}

    def _key_of(self, header: dict[str, Any]) -> tuple[str, KnownKey] | None:
        typ, alg, jwk = header.get("typ"), header.get("alg"), header.get("jwk")
        if not isinstance(typ, str) or typ.lower() != "dpop+jwt" or "crit" in header:
            return None
        if not isinstance(jwk, dict) or has_private_member(jwk):
            return None
        members = public_members_of(alg, jwk, _LONGEST_MODULUS)
        if members is None or not isinstance(alg, str):
            return None
        # RFC 7638; the members are in its order.
        jkt = sha256(json.dumps(members, separators=(",", ":")).encode())
        key = self._keys.get((alg, jkt)) or import_key("", alg, members)
        if key is None:
            return None
        if len(self._keys) >= _CACHED_KEYS:
            self._keys.clear()
        self._keys[alg, jkt] = key
        return jkt, key

    def _do_claims_fit(self, claims: dict[str, Any], request: Dpop, now: float) -> bool:
        expected = _address_of(request.url)
        if claims.get("htm") != request.method or expected is None or _address_of(claims.get("htu")) != expected:
            return False
        if not _is_short_text(claims.get("jti")):
            return False
        if "nonce" in claims and not _is_short_text(claims["nonce"]):
            return False
        issued_at: Any = claims.get("iat")
        second = math.floor(now)
        return is_number(issued_at) and second - PROOF_SECONDS <= issued_at <= second + self._ahead

    def check(self, request: Dpop, token: str, now: float) -> Proof | None:
        """Verifies form, public key, signature, method, URL, age and token hash (RFC 9449 §4.3).

        None for an invalid proof. The caller checks that it was not used before.
        :param now: Unix seconds
        """
        proof = request.proof
        parts = proof.split(".", 3) if len(proof) <= PROOF_CHARACTERS else []
        signature = decode_base64url(parts[2]) if len(parts) == 3 else None
        if signature is None:
            return None
        header = _object_of(parts[0])
        known = None if header is None else self._key_of(header)
        if known is None or not is_canonical_base64url(parts[1]):
            return None
        jkt, key = known
        if not key.verifies(f"{parts[0]}.{parts[1]}".encode(), signature):
            return None
        claims = _object_of(parts[1])
        if claims is None or not self._do_claims_fit(claims, request, now):
            return None
        return Proof(jkt, claims["jti"]) if claims.get("ath") == sha256(token.encode()) else None

"""Keys for verifying, and the key sets that publish them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms

from ._contract import KEY_SET_KEYS
from ._text import decode_base64url

ASYMMETRIC = ("RS256", "ES256", "EdDSA")
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")
#: Bytes of a modulus of 2,048 and of 8,192 bits.
_SHORTEST_MODULUS, _LONGEST_MODULUS = 256, 1024
_ALGORITHMS: dict[str, Algorithm] = get_default_algorithms()
_HS256 = _ALGORITHMS["HS256"]


class KeySetRefused(Exception):
    """The key set was not taken."""

    def __init__(self, why: str) -> None:
        """:param why: end of the message"""
        super().__init__(f"the key set was refused: {why}")


@dataclass(frozen=True, slots=True, eq=False)
class KnownKey:
    """A key for verifying. One key has one algorithm."""

    kid: str
    alg: str
    key: Any = field(repr=False)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether the key made the signature. The algorithm is that of the key, never that of a header."""
        try:
            return _ALGORITHMS[self.alg].verify(signing_input, self.key, signature)
        except (ValueError, TypeError):
            return False


def verifies_hs256(secret: bytes, signing_input: bytes, signature: bytes) -> bool:
    """Whether the shared secret signed the token."""
    return _HS256.verify(signing_input, secret, signature)


def has_private_member(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK contains what must never be published."""
    return jwk.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(jwk)


def _is_strong_modulus(modulus: object, longest_bytes: int) -> bool:
    """Whether a modulus has at least 2,048 bits. Leading zeros can make a small one look long."""
    data = None
    if isinstance(modulus, str) and len(modulus) <= 2 * _LONGEST_MODULUS:
        data = decode_base64url(modulus)
    if data is None or not _SHORTEST_MODULUS <= len(data) <= longest_bytes:
        return False
    return data[0] >= 0x80 if len(data) == _SHORTEST_MODULUS else data[0] > 0


def _is_coordinate(value: object) -> bool:
    return isinstance(value, str) and _COORDINATE.fullmatch(value) is not None


def public_members_of(
    alg: object, jwk: Mapping[str, Any], longest_modulus: int = _LONGEST_MODULUS
) -> dict[str, str] | None:
    """The public members of a key of this algorithm, in the order of RFC 7638; None for any other key."""
    kty, crv = jwk.get("kty"), jwk.get("crv")
    x, y, e = jwk.get("x"), jwk.get("y"), jwk.get("e")
    names: tuple[str, ...]
    if alg == "ES256":
        is_fit = kty == "EC" and crv == "P-256" and _is_coordinate(x) and _is_coordinate(y)
        names = ("crv", "kty", "x", "y")
    elif alg == "EdDSA":
        is_fit = kty == "OKP" and crv == "Ed25519" and _is_coordinate(x)
        names = ("crv", "kty", "x")
    elif alg == "RS256":
        is_exponent = isinstance(e, str) and len(e) <= 8
        is_fit = kty == "RSA" and is_exponent and _is_strong_modulus(jwk.get("n"), longest_modulus)
        names = ("e", "kty", "n")
    else:
        return None
    return {name: jwk[name] for name in names} if is_fit else None


def import_key(kid: str, alg: str, members: dict[str, str]) -> KnownKey | None:
    """None for members that are not a point on the curve, or not a number."""
    try:
        return KnownKey(kid, alg, _ALGORITHMS[alg].from_jwk(dict(members)))
    except (ValueError, TypeError, jwt.PyJWTError):
        return None


def _is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _import_published(jwk: Mapping[str, Any]) -> KnownKey | None:
    members = public_members_of(jwk.get("alg"), jwk) if _is_for_verifying(jwk) else None
    return None if members is None else import_key(jwk["kid"], jwk["alg"], members)


#: Keys by kid. None: published, but of no use here: for encryption, of another algorithm, or too weak.
KeySet = Mapping[str, KnownKey | None]
_IDENTITY = ("kid", "kty", "alg", "use", "key_ops", "n", "e", "crv", "x", "y")


class KeyImporter:
    """Imports key sets. A key is imported once for as long as it stays the same."""

    def __init__(self) -> None:
        """An importer that knows no key."""
        self._known: dict[str, KnownKey | None] = {}

    def read(self, text: str) -> KeySet:
        """The keys of a set. Raises KeySetRefused for a set that cannot be trusted."""
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise KeySetRefused("it is not JSON") from None
        keys = body.get("keys") if isinstance(body, dict) else None
        if not isinstance(keys, list):
            raise KeySetRefused("it has no list of keys")
        if len(keys) > KEY_SET_KEYS:
            raise KeySetRefused(f"it has more than {KEY_SET_KEYS} keys")
        # A publisher of private keys has lost them: nothing in its set can be trusted.
        if any(isinstance(jwk, dict) and has_private_member(jwk) for jwk in keys):
            raise KeySetRefused("it contains a private or symmetric key")
        imported: dict[str, KnownKey | None] = {}
        by_kid: dict[str, KnownKey | None] = {}
        for jwk in keys:
            kid = jwk.get("kid") if isinstance(jwk, dict) else None
            if not isinstance(kid, str) or kid == "":
                continue
            name = json.dumps([jwk.get(member) for member in _IDENTITY])
            key = imported.get(name) or self._known.get(name) or _import_published(jwk)
            imported[name] = key
            if kid in by_kid and by_kid[kid] is not key:
                raise KeySetRefused("it has two keys of one kid")
            by_kid[kid] = key
        if not any(by_kid.values()):
            raise KeySetRefused("it has no key for verifying")
        self._known = imported
        return by_kid

"""Keys of the fake issuer and its clients."""

import json
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from ._keys import public_members_of
from ._text import encode_base64url

_ALGORITHMS = get_default_algorithms()


def sign(payload: object, header: dict[str, Any], key: Any) -> str:
    """A compact JWS, by the algorithm that the header names."""
    segments = [encode_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)]
    text = ".".join(segments)
    return f"{text}.{encode_base64url(_ALGORITHMS[header['alg']].sign(text.encode(), key))}"


class FakeKey:
    """A key that signs, and its published form."""

    def __init__(self, algorithm: str) -> None:
        """:param algorithm: RS256, ES256 or EdDSA"""
        self.kid = str(uuid.uuid4())
        self.alg = algorithm
        self.private: Any
        if algorithm == "RS256":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())
        jwk = _ALGORITHMS[algorithm].to_jwk(self.private.public_key(), as_dict=True)
        self.members = public_members_of(algorithm, jwk) or {}

    @property
    def jwk(self) -> dict[str, str]:
        """What a key set publishes."""
        return {**self.members, "use": "sig", "alg": self.alg, "kid": self.kid}

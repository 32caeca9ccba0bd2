"""Security Event Tokens with RS256, from the specifications alone (RFC 7515, 7518, 8017, 8417): only the standard library."""

import base64
import hashlib
import json
import secrets

# DER of DigestInfo for SHA-256 (RFC 8017, section 9.2, note 1).
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
SMALL_PRIMES = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97]


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_prime(number: int) -> bool:
    """Miller-Rabin with 40 random bases."""
    if any(number % prime == 0 for prime in SMALL_PRIMES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(40):
        power = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = pow(power, 2, number)
            if power == number - 1:
                break
        else:
            return False
    return True


def prime(bits: int) -> int:
    while True:
        number = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if number % 65537 != 1 and is_prime(number):
            return number


class Key:
    """An RSA key of 2,048 bits."""

    def __init__(self, kid: str) -> None:
        first, second = prime(1024), prime(1024)
        self.kid = kid
        self.modulus = first * second
        self.private = pow(65537, -1, (first - 1) * (second - 1))

    def jwk(self) -> dict:
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": encode(self.modulus.to_bytes(256, "big")),
            "e": encode((65537).to_bytes(3, "big")),
        }

    def sign(self, claims: dict, header: dict | None = None) -> str:
        head = {"typ": "secevent+jwt", "alg": "RS256", "kid": self.kid} | (header or {})
        signed = encode(json.dumps(head).encode()) + "." + encode(json.dumps(claims).encode())
        power = pow(int.from_bytes(padded(signed.encode()), "big"), self.private, self.modulus)
        return signed + "." + encode(power.to_bytes(256, "big"))


def padded(message: bytes) -> bytes:
    """EMSA-PKCS1-v1_5 (RFC 8017, section 9.2)."""
    digest = SHA256_PREFIX + hashlib.sha256(message).digest()
    return b"\x00\x01" + b"\xff" * (256 - len(digest) - 3) + b"\x00" + digest


def verified(token: str, jwks: dict) -> tuple[dict, dict]:
    """Header and claims of a token that one of the keys has signed. Raises ValueError for any other."""
    first, second, third = token.split(".")
    header, claims = json.loads(decode(first)), json.loads(decode(second))
    if header.get("alg") != "RS256" or header.get("typ") != "secevent+jwt":
        raise ValueError(f"not a Security Event Token with RS256: {header}")
    [jwk] = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    modulus = int.from_bytes(decode(jwk["n"]), "big")
    if modulus.bit_length() < 2048:
        raise ValueError("the key is too short")
    power = pow(int.from_bytes(decode(third), "big"), int.from_bytes(decode(jwk["e"]), "big"), modulus)
    size = (modulus.bit_length() + 7) // 8
    expected = padded(f"{first}.{second}".encode())
    if size != 256 or power.to_bytes(size, "big") != expected:
        raise ValueError("the signature is not valid")
    return header, claims

"""Base64url and JSON, read strictly: one form for one value."""

import base64
import hashlib
import json
import re
from typing import Any

from ._contract import JSON_DEPTH

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_LAST_OF_TWO = frozenset("AQgw")
_LAST_OF_THREE = frozenset("AEIMQUYcgkosw048")
_LARGEST_SAFE_INTEGER = 2**53 - 1


def is_canonical_base64url(text: str) -> bool:
    """Whether a text is unpadded base64url without stray bits in the last character (RFC 7515 §2)."""
    rest = len(text) % 4
    if rest == 1 or _BASE64URL.fullmatch(text) is None:
        return False
    if rest == 0:
        return True
    return text[-1] in (_LAST_OF_TWO if rest == 2 else _LAST_OF_THREE)


def decode_base64url(text: str) -> bytes | None:
    """The bytes of a text in the canonical form; None for any other."""
    if not is_canonical_base64url(text):
        return None
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_base64url(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(data: bytes) -> str:
    """SHA-256 in base64url."""
    return encode_base64url(hashlib.sha256(data).digest())


def text_of(data: bytes) -> str | None:
    """None for bytes that are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_strict = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value)
    return True


def parse_strict_object(text: str) -> dict[str, Any] | None:
    """Parses a JSON object whose member names are unique at every level; None for anything else.

    ``json.loads`` keeps only the last of two equal names and reads NaN. Nesting is limited.
    """
    try:
        value = _strict.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    # Every level is written with a bracket, so few brackets need no second look.
    is_shallow = text.count("{") + text.count("[") <= JSON_DEPTH
    return value if is_shallow or _is_shallow(value, JSON_DEPTH) else None


def is_id(value: object) -> bool:
    """Whether stores and logs keep the text whole: PostgreSQL refuses NUL, and C libraries end a text at it."""
    return is_text(value) and "\0" not in str(value)


def is_text(value: object) -> bool:
    """Whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 to 2^53 - 1. In JSON, 1.0 and 1 are one number."""
    # The type of nearly every one; a truth value has another.
    if type(value) is int:
        return 0 <= value <= _LARGEST_SAFE_INTEGER
    return isinstance(value, float) and 0 <= value <= _LARGEST_SAFE_INTEGER and value.is_integer()

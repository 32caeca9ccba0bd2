"""The parts and claims of a token, read before anything is verified."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._contract import HEADER_CHARACTERS
from ._text import decode_base64url, is_count, is_id, is_text, parse_strict_object

#: Header members that Sallyport writes. Any other (crit, jku, jwk, x5u, zip …) means another issuer or an attack.
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
_MAXIMUM_HEADERS = 64
#: Headers by their text: the tokens of one key have the same. Parsing is the same for every verifier.
_parsed_headers: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """The parts of a compact JWS. Nothing in them is verified yet."""

    alg: str
    kid: str
    typ: object
    payload: bytes
    signature: bytes
    #: What was signed: header and payload as they were sent (RFC 7515 §5.2).
    signing_input: bytes


def _read_header(segment: str) -> dict[str, Any] | None:
    data = decode_base64url(segment) if len(segment) <= HEADER_CHARACTERS else None
    return None if data is None else parse_strict_object(data.decode(errors="replace"))


def _parse_header(segment: str) -> dict[str, Any] | None:
    header = _read_header(segment)
    return header if header is not None and _HEADER_MEMBERS.issuperset(header) else None


def _header_of(segment: str) -> dict[str, Any] | None:
    header = _parsed_headers.get(segment)
    if header is None:
        header = _parse_header(segment)
        if header is not None:
            if len(_parsed_headers) >= _MAXIMUM_HEADERS:
                _parsed_headers.clear()
            _parsed_headers[segment] = header
    return header


def _foreign_header_of(segment: str) -> dict[str, Any] | None:
    """Other members of another issuer are ignored; `crit` names those that must be understood (RFC 7515 §4.1.11)."""
    header = _read_header(segment)
    return None if header is None or "crit" in header else header


def parse_token(token: str, maximum_characters: int) -> ParsedToken | None:
    """Splits a compact JWS of our own form; None for any other text, whatever its size or nesting."""
    return _split(token, maximum_characters, _header_of)


def parse_foreign_token(token: str, maximum_characters: int) -> ParsedToken | None:
    """Splits a compact JWS of another issuer."""
    return _split(token, maximum_characters, _foreign_header_of)


def _split(
    token: str, maximum_characters: int, read_header: Callable[[str], dict[str, Any] | None]
) -> ParsedToken | None:
    if len(token) > maximum_characters:
        return None
    parts = token.split(".", 3)
    if len(parts) != 3 or parts[0] == "":
        return None
    header = read_header(parts[0])
    if header is None:
        return None
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(alg, str) or not isinstance(kid, str):
        return None
    payload, signature = decode_base64url(parts[1]), decode_base64url(parts[2])
    if payload is None or signature is None:
        return None
    signing_input = token[: len(token) - len(parts[2]) - 1].encode()
    return ParsedToken(alg, kid, typ, payload, signature, signing_input)


_Check = Callable[[object], bool]


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _list_of(check: _Check, least: int = 0) -> _Check:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(check, value))


def _is_origin(value: object) -> bool:
    return (
        isinstance(value, dict)
        and is_text(value.get("jti"))
        and is_text(value.get("client_id"))
        and is_count(value.get("ce"))
    )


def _is_detail(value: object) -> bool:
    return isinstance(value, dict) and is_text(value.get("type"))


_texts = _list_of(is_text, 1)
_strings = _list_of(_is_string)
_REQUIRED = frozenset({"iss", "aud", "sub", "client_id", "iat", "exp", "jti"})
_CLAIMS: dict[str, _Check] = {
    "iss": is_text,
    "aud": lambda value: is_text(value) or _texts(value),
    "sub": is_id,
    "client_id": is_id,
    "iat": is_count,
    "exp": is_count,
    "jti": is_id,
    "nbf": is_count,
    "sid": is_id,
    "fid": is_id,
    "scope": _is_string,
    "roles": _strings,
    "permissions": _strings,
    "authorization_details": _list_of(_is_detail, 1),
    "email": is_text,
    "email_verified": _is_bool,
    "auth_time": is_count,
    "acr": is_text,
    "amr": _strings,
    "ue": is_count,
    "ce": is_count,
    "cnf": _is_object,
    "origins": _list_of(_is_origin, 1),
    "bip": is_text,
    "bua": is_text,
}


def has_valid_claims(payload: dict[str, Any]) -> bool:
    """Whether every required claim is present, and every known one has its type."""
    if not _REQUIRED.issubset(payload):
        return False
    for name, value in payload.items():
        check = _CLAIMS.get(name)
        if check is not None and not check(value):
            return False
    return True

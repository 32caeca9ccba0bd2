"""Why a request or token is not accepted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._contract import CODES, VerifierCode


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request or token that is not accepted. The API's validate endpoint gives the same codes."""

    code: VerifierCode
    #: The status to answer with: 400, 401, 403 or 503.
    status: int
    #: Public text for people.
    title: str
    fix: str
    #: Whether the same request may succeed later.
    retryable: bool
    ok: Literal[False] = False


_REFUSALS: dict[VerifierCode, Refusal] = {
    code: Refusal(code, text["status"], text["title"], text["fix"], text["retryable"]) for code, text in CODES.items()
}


def refuse(code: VerifierCode) -> Refusal:
    """The refusal with a code."""
    return _REFUSALS[code]


class VerifierError(Exception):
    """Raised by ``verify_or_raise`` and ``ready``, and by the verifiers of API keys."""

    def __init__(self, refusal: Refusal) -> None:
        """:param refusal: what the error tells"""
        super().__init__(f"{refusal.title}. {refusal.fix}")
        self.code: VerifierCode = refusal.code
        self.status = refusal.status
        self.retryable = refusal.retryable


def _is_same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; in Python True would equal 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def require_authorization(
    claims: Mapping[str, Any], kind: str, fits: Mapping[str, Any] | Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """The granted detail of this type that fits: with these members, each of exactly this value, or by a function.

    Raises VerifierError: ``authorization_missing`` (403) if the token has none.
    """
    for detail in claims.get("authorization_details", ()):
        if detail["type"] != kind:
            continue
        if (
            fits(detail)
            if callable(fits)
            else all(name in detail and _is_same(detail[name], value) for name, value in fits.items())
        ):
            return detail  # type: ignore[no-any-return]
    raise VerifierError(refuse("authorization_missing"))

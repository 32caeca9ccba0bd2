"""Why a request or token is not accepted."""

from dataclasses import dataclass
from typing import Literal

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

"""Verifies Sallyport access tokens offline, and refuses revoked ones within a second."""

from ._api_key import AcceptedApiKey, ApiKeyVerifier, AsyncApiKeyVerifier
from ._codes import Refusal, VerifierError, require_authorization
from ._contract import CODES, DEFAULTS, VerifierCode
from ._decision import Accepted, Requirements, Result
from ._dpop import Dpop, Proof, certificate_thumbprint
from ._feed_writer import FeedWriter
from ._options import LegacyIssuer, VerifierEvent, VerifierOptions
from ._verifier import AsyncVerifier, Verifier, VerifierState

__all__ = [
    "CODES",
    "DEFAULTS",
    "Accepted",
    "AcceptedApiKey",
    "ApiKeyVerifier",
    "AsyncApiKeyVerifier",
    "AsyncVerifier",
    "Dpop",
    "FeedWriter",
    "LegacyIssuer",
    "Proof",
    "Refusal",
    "Requirements",
    "Result",
    "Verifier",
    "VerifierCode",
    "VerifierError",
    "VerifierEvent",
    "VerifierOptions",
    "VerifierState",
    "certificate_thumbprint",
    "require_authorization",
]

"""Wrong options are refused, and HS256 unless asked for by name."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sallyport_verifier import Verifier, VerifierError, require_authorization
from sallyport_verifier.testing import FakeIssuer

GOOD: dict[str, Any] = {"issuer": "https://auth.example", "client_id": "a", "client_secret": "b"}
SECRET = "s" * 32
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"issuer": ""}, "issuer is required"),
    ({"issuer": "auth"}, "issuer is not a URL"),
    ({"issuer": "http://auth.example"}, "must be https"),
    ({"url": "ftp://auth.example"}, "must be https"),
    ({"url": "https://a:b@auth.example"}, "credentials"),
    ({"url": "https://auth.example/?a=b"}, "query"),
    ({"url": "http://127.evil.example"}, "must be https"),
    ({"audience": ""}, "audience"),
    ({"algorithms": []}, "algorithms"),
    ({"algorithms": ["none"]}, "algorithms"),
    ({"algorithms": "RS256"}, "algorithms"),
    ({"algorithms": ["HS256"]}, "HS256 needs secret"),
    ({"secret": SECRET}, "name 'HS256'"),
    ({"algorithms": ["HS256"], "secret": "short"}, "at least 32 bytes"),
    ({"algorithms": ["HS256"], "secret": [SECRET, "short"]}, "at least 32 bytes"),
    ({"clock_skew": 61}, "clock_skew must be"),
    ({"clock_skew": True}, "clock_skew must be"),
    ({"max_stale": float("nan")}, "max_stale must be"),
    ({"feed": "push"}, "feed must be"),
    ({"feed": "file"}, "feed_file"),
    ({"client_secret": None}, "needs client_id"),
    ({"feed": "off", "client_id": None, "on_stale": "introspect"}, "on_stale 'introspect' needs"),
    ({"required_scopes": "tasks"}, "required_scopes"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Verifier(**{**GOOD, **changes})


def test_unknown_and_missing_options_are_refused() -> None:
    misspelled: dict[str, Any] = {**GOOD, "maxStale": 1}
    with pytest.raises(TypeError, match="there is no option maxStale"):
        Verifier(**misspelled)
    nothing: dict[str, Any] = {}
    with pytest.raises(TypeError, match="issuer is required"):
        Verifier(**nothing)


@pytest.mark.parametrize("issuer", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_http_is_allowed_on_loopback(issuer: str) -> None:
    Verifier(**{**GOOD, "issuer": issuer})


def test_hs256_tokens_are_verified_by_any_of_the_secrets(make: Callable[..., Verifier]) -> None:
    issuer = FakeIssuer(algorithm="HS256", secret=SECRET)
    token = issuer.mint()
    options: dict[str, Any] = {**issuer.options, "secret": ["t" * 32, SECRET], "feed": "off"}
    verifier = Verifier(**options)
    assert verifier.verify(token).ok
    assert issuer.requests.total() == 0
    assert Verifier(**{**options, "secret": "t" * 32}).verify(token).code == "bad_signature"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_worker_reads_the_feed_itself(fake_issuer: FakeIssuer, make: Callable[..., Verifier]) -> None:
    verifier, token = make(), fake_issuer.mint()
    assert verifier.verify(token).ok
    child = os.fork()
    if child == 0:
        fake_issuer.revoke(token)
        is_read = verifier.refresh()
        os._exit(0 if is_read and verifier.verify(token).code == "revoked" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert verifier.verify(token).ok


def test_a_listener_that_fails_stops_nothing(fake_issuer: FakeIssuer, make: Callable[..., Verifier]) -> None:
    def fail(_event: object) -> None:
        raise ValueError("listener")

    assert make(on_event=fail).verify(fake_issuer.mint()).ok


PAYMENT = {"type": "payment", "amount": {"currency": "EUR", "value": 1}, "to": ["Ann"]}
CLAIMS = {"authorization_details": [{"type": "order", "to": ["Ann"]}, PAYMENT]}


def test_a_detail_is_found_by_members_or_a_function() -> None:
    assert require_authorization(CLAIMS, "payment", {"amount": {"value": 1, "currency": "EUR"}}) is PAYMENT
    assert require_authorization(CLAIMS, "payment", lambda detail: "Ann" in detail["to"]) is PAYMENT


@pytest.mark.parametrize(
    "fits",
    [{"to": ["Ann", "Eve"]}, {"amount": {"value": 1}}, {"amount": {"value": True, "currency": "EUR"}}, {"iban": None}],
)
def test_a_detail_that_differs_is_refused(fits: Mapping[str, Any] | Callable[[Mapping[str, Any]], bool]) -> None:
    with pytest.raises(VerifierError) as refused:
        require_authorization(CLAIMS, "payment", fits)
    assert (refused.value.code, refused.value.status) == ("authorization_missing", 403)


def test_a_token_without_details_is_refused() -> None:
    with pytest.raises(VerifierError):
        require_authorization({}, "payment", {})

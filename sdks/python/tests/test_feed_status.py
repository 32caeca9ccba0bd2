"""What a verifier logs and answers when the API refuses its client, or cannot be reached."""

import logging
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sallyport_verifier import CODES, AsyncVerifier, Verifier, VerifierError
from sallyport_verifier._contract import LOGS
from sallyport_verifier._feed_writer import FeedWriter
from sallyport_verifier.fastapi import protect
from sallyport_verifier.request import Rejected, RequestFacts, authenticate
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed, wait_until

Make = Callable[..., Verifier]
REFUSED = LOGS["refused"].replace("{reason}", "/v1/revocations answered 401")


def stale(code: str, reason: str) -> str:
    return LOGS["stale"].replace("{code}", code).replace("{reason}", reason)


def wait_for_polls(issuer: FakeIssuer, times: int) -> None:
    before = issuer.requests["/v1/revocations"]
    wait_until(lambda: issuer.requests["/v1/revocations"] >= before + times)


def test_a_refused_client_is_answered_with_the_fix_and_logged_once(
    fake_issuer: FakeIssuer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = make(client_secret="wrong", feed_interval=0.05)
    facts = RequestFacts("GET", "https://tasks.test/", f"Bearer {fake_issuer.mint()}")
    result = authenticate(verifier, facts)
    assert isinstance(result, Rejected)
    assert (result.status, result.headers["retry-after"]) == (503, "1")
    assert (result.body["code"], result.body["fix"]) == ("client_refused", CODES["client_refused"]["fix"])
    assert "PostgreSQL" not in str(result.body)
    wait_for_polls(fake_issuer, 3)
    assert [(one.name, one.levelno, one.getMessage()) for one in caplog.records if one.name != "httpx"] == [
        ("sallyport_verifier", logging.WARNING, REFUSED)
    ]


def test_a_refused_client_is_told_at_the_start(
    fake_issuer: FakeIssuer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(VerifierError) as raised:
        make(client_secret="wrong").ready()
    assert raised.value.code == "client_refused"
    assert CODES["client_refused"]["fix"] in str(raised.value)
    caplog.clear()
    app = FastAPI()
    options = fake_issuer.options
    options["client_secret"] = "wrong"
    verifier = AsyncVerifier(**options)
    protect(app, verifier)
    assert caplog.messages == []
    with TestClient(app):
        wait_until(lambda: REFUSED in caplog.messages)
    verifier.close()


def test_a_refused_client_counts_once_revocations_are_stale_and_is_back_once_it_is_accepted(
    fake_issuer: FakeIssuer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    status: int | None = None

    async def serve(request: httpx.Request) -> httpx.Response | None:
        is_feed = request.url.path == "/v1/revocations"
        return httpx.Response(status) if is_feed and status is not None else None

    verifier, token = make(transport=Changed(fake_issuer, serve), feed_interval=60), fake_issuer.mint()
    verifier.ready()
    caplog.clear()
    status = 403
    verifier.refresh()
    assert verifier.verify(token).ok
    fake_issuer.advance(70)
    assert verifier.verify(token).code == "client_refused"
    # An API that is down says nothing new about the client.
    status = 500
    verifier.refresh()
    assert verifier.verify(token).code == "client_refused"
    status = None
    verifier.refresh()
    assert verifier.verify(token).ok
    messages = [one.getMessage() for one in caplog.records if one.name == "sallyport_verifier"]
    assert messages == [LOGS["refused"].replace("{reason}", "/v1/revocations answered 403"), LOGS["back"]]


@pytest.mark.parametrize("feed", ["poll", "sse"])
def test_stale_revocations_are_one_line_and_their_return_is_another(
    feed: str, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = FakeIssuer(max_staleness=0.2)
    options = {**issuer.options, "feed": feed, "feed_interval": 0.05, "max_stale": 0, "timeout": 0.2}
    verifier = make(**options)
    verifier.ready()
    issuer.go_stale()
    issuer.advance(10)
    verifier.verify(issuer.mint())
    wait_until(lambda: any("verifier: revocation_state_stale: " in one for one in caplog.messages))
    issuer.recover()
    wait_until(lambda: LOGS["back"] in caplog.messages, 8)
    messages = [one.getMessage() for one in caplog.records if one.name == "sallyport_verifier"]
    assert [one.split(":")[1].strip() for one in messages[:-1]] == ["revocation_state_stale"]
    assert messages[-1] == LOGS["back"]


def test_a_refused_key_set_is_named(fake_issuer: FakeIssuer, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def serve(request: httpx.Request) -> httpx.Response | None:
        shared = {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}
        return httpx.Response(200, json=shared) if request.url.path.endswith("/jwks.json") else None

    verifier = make(transport=Changed(fake_issuer, serve), feed_interval=0.05)
    assert verifier.verify(fake_issuer.mint()).code == "key_ring_behind"
    wait_for_polls(fake_issuer, 2)
    messages = [one.getMessage() for one in caplog.records if one.name == "sallyport_verifier"]
    assert messages == [stale("key_ring_behind", "the key set was refused: it contains a private or symmetric key")]


def test_the_writer_of_a_file_logs_a_refused_client_once(
    fake_issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    options = fake_issuer.options
    options.update({"client_secret": "wrong", "feed_file": "/nowhere/feed.json", "feed_interval": 0.05})
    writer = FeedWriter(**options)
    with pytest.raises(RuntimeError):
        writer.ready()
    wait_for_polls(fake_issuer, 3)
    writer.close()
    assert [one.getMessage() for one in caplog.records if one.name == "sallyport_verifier"] == [REFUSED]

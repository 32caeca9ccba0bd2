"""Limits in number, size and time of what others send."""

import asyncio
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sallyport_verifier import Verifier, VerifierError, VerifierEvent, _contract, _feed, request
from sallyport_verifier._dpop import Proof
from sallyport_verifier.request import Rejected, RequestFacts, authenticate
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed

Make = Callable[..., Verifier]
URL = "https://tasks.example/x"


def test_too_many_proofs_are_answered_with_503_and_no_replay_is_accepted(
    fake_issuer: FakeIssuer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "PROOFS_REMEMBERED", 3)
    verifier, dpop = make(feed="off"), fake_issuer.new_dpop_client()
    token = fake_issuer.mint(cnf={"jkt": dpop.jkt})

    def send(proof: str) -> str:
        facts = RequestFacts("GET", URL, f"DPoP {token}", proof)
        result = authenticate(verifier, facts)
        if not isinstance(result, Rejected):
            return result.code
        if result.status == 503:
            assert result.headers["retry-after"] == "1"
        return result.refusal.code

    used = [dpop.proof("GET", URL, token) for _ in range(3)]
    assert [send(proof) for proof in used] == ["active"] * 3
    assert send(dpop.proof("GET", URL, token)) == "too_many_proofs"
    assert [send(proof) for proof in used] == ["binding_mismatch"] * 3
    # A window has 81 seconds; a proof is too old after 60.
    fake_issuer.advance(82)
    assert send(dpop.proof("GET", URL, token)) == "active"
    assert [send(proof) for proof in used] == ["binding_mismatch"] * 3


def test_a_proof_whose_id_is_no_well_formed_text_is_accepted_once(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, dpop = make(feed="off"), fake_issuer.new_dpop_client()
    token = fake_issuer.mint(cnf={"jkt": dpop.jkt})
    proof = dpop.proof("GET", URL, token, jti="half a pair: \ud800")
    results = [authenticate(verifier, RequestFacts("GET", URL, f"DPoP {token}", proof)) for _ in range(2)]
    assert not isinstance(results[0], Rejected)
    assert isinstance(results[1], Rejected)
    assert results[1].refusal.code == "binding_mismatch"


def test_remembered_proofs_take_50_mb_at_most(make: Make) -> None:
    used = request._UsedProofs(make().settings)
    padding = "x" * (_contract.PROOF_CLAIM_CHARACTERS - 6)
    tracemalloc.start()
    try:
        for at in range(_contract.PROOFS_REMEMBERED):
            assert used.use(Proof("key", f"{at:06}{padding}")) is None
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of two windows.
    assert 2 * taken < 50_000_000
    assert used.use(Proof("key", "another")) == "too_many_proofs"
    assert used.use(Proof("key", f"{0:06}{padding}")) == "binding_mismatch"


class Endless:
    """A feed whose parts never end, until the test says so."""

    def __init__(self, issuer: FakeIssuer, pause: float) -> None:
        self.parts, self.since, self.is_ending = 0, 0, False
        self.events: list[VerifierEvent] = []
        self.options: dict[str, Any] = {
            "timeout": 0.2,
            "feed_interval": 60,
            "on_event": self.events.append,
            "transport": Changed(issuer, self.serve),
        }
        self._issuer, self._pause = issuer, pause

    async def serve(self, request: httpx.Request) -> httpx.Response | None:
        if request.url.path != "/v1/revocations":
            return None
        self.parts += 1
        self.since = int(request.url.params["since"])
        await asyncio.sleep(self._pause)
        part: dict[str, Any] = {"since": self.since, "epoch": self.since + 1, "entries": [], "complete": self.is_ending}
        return httpx.Response(200, text=self._issuer.answer(**part))

    def failures(self) -> list[str]:
        return [str(event.error) for event in self.events if event.type == "feed_failed"]


def test_a_feed_without_end_keeps_no_caller_of_the_first_load_waiting(fake_issuer: FakeIssuer, make: Make) -> None:
    feed = Endless(fake_issuer, 0.025)
    verifier, started = make(**feed.options), time.monotonic()
    with pytest.raises(VerifierError) as raised:
        verifier.ready()
    assert raised.value.code == "revocation_state_stale"
    # All 2,000 parts would take 50 seconds.
    assert time.monotonic() - started < 20
    assert len(feed.failures()) == 1
    feed.is_ending = True
    assert verifier.refresh()
    assert feed.since > 0


def test_the_answers_of_one_read_are_bounded_in_size(
    fake_issuer: FakeIssuer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_feed, "FEED_READ_BYTES", 2_000)
    feed = Endless(fake_issuer, 0)
    verifier = make(**feed.options)
    assert not verifier.refresh()
    assert feed.failures() == ["the revocation feed has no end"]
    assert 1 < feed.parts < 10

"""Limits in number, size and time of what others send."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sallyport_verifier import Verifier, VerifierError, VerifierEvent, _feed
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed

Make = Callable[..., Verifier]


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

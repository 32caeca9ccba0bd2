"""The revocation feed by poll and as a stream, and what happens without it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sallyport_verifier import AsyncVerifier, Verifier, VerifierError, VerifierEvent
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed, wait_until

Make = Callable[..., Verifier]
REVOCATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "session": ({"kind": "sid", "value": "session-1"}, "session_ended"),
    "family": ({"kind": "family", "value": "family-1"}, "revoked"),
    "reused family": ({"kind": "family", "value": "family-1", "reason": "refresh_token_reused"}, "family_reused"),
    "user": ({"kind": "user", "value": "user-1"}, "revoked"),
    "client": ({"kind": "client", "value": "client-1"}, "revoked"),
}


@pytest.mark.parametrize("feed", ["poll", "sse"])
def test_a_cached_token_is_refused_without_a_request_once_its_revocation_is_read(
    feed: str, fake_issuer: FakeIssuer, make: Make
) -> None:
    verifier = make(feed=feed, feed_interval=0.05)
    token, other = fake_issuer.mint(), fake_issuer.mint()
    assert verifier.verify(token).ok and verifier.verify(other).ok
    if feed == "sse":
        wait_until(lambda: len(fake_issuer.listeners) == 1)
    fake_issuer.revoke(token)
    wait_until(lambda: verifier.verify(token).code == "revoked")
    assert verifier.verify(other).ok
    assert fake_issuer.requests["/oauth2/introspect"] == 0


def test_a_revocation_that_came_while_an_older_answer_was_on_its_way_is_known_after_refresh(
    fake_issuer: FakeIssuer, make: Make
) -> None:
    gate = threading.Event()

    class Slow(httpx.AsyncBaseTransport):
        is_slow = False

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await fake_issuer.handle_async_request(request)
            if self.is_slow and fake_issuer.requests["/v1/revocations"] == 2:
                await asyncio.to_thread(gate.wait, 10)
            return answer

    slow = Slow()
    verifier, token = make(transport=slow, feed_interval=60), fake_issuer.mint()
    verifier.ready()
    slow.is_slow = True
    first = threading.Thread(target=verifier.refresh)
    first.start()
    wait_until(lambda: fake_issuer.requests["/v1/revocations"] == 2)
    fake_issuer.revoke(token)
    threading.Timer(0.1, gate.set).start()
    verifier.refresh()
    assert verifier.verify(token).code == "revoked"
    first.join()


@pytest.mark.parametrize("name", REVOCATIONS)
def test_a_revocation_of_its_owner_refuses_a_token(name: str, fake_issuer: FakeIssuer, make: Make) -> None:
    revocation, code = REVOCATIONS[name]
    verifier, token = make(), fake_issuer.mint()
    assert verifier.verify(token).ok
    fake_issuer.revoke(**revocation)
    verifier.refresh()
    assert verifier.verify(token).code == code
    assert verifier.verify(fake_issuer.mint(sid="2", fid="2", ue=1, ce=1)).ok


def test_a_stream_that_ends_is_opened_again(fake_issuer: FakeIssuer, make: Make) -> None:
    opened = 0

    async def serve(request: httpx.Request) -> httpx.Response | None:
        nonlocal opened
        if not request.url.path.endswith("/stream"):
            return None
        opened += 1
        return httpx.Response(200, text=f"data: {fake_issuer.answer()}\n\n") if opened < 3 else None

    verifier = make(feed="sse", transport=Changed(fake_issuer, serve))
    token = fake_issuer.mint()
    assert verifier.verify(token).ok
    wait_until(lambda: len(fake_issuer.listeners) == 1)
    fake_issuer.revoke(token)
    wait_until(lambda: verifier.verify(token).code == "revoked")


def test_once_a_read_shows_that_the_api_is_there_a_stream_that_waits_after_failures_is_opened_at_once(
    fake_issuer: FakeIssuer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the read it waits for at least half an hour.
    for name in ("_FIRST_WAIT", "_LONGEST_WAIT"):
        monkeypatch.setattr(f"sallyport_verifier._feed.{name}", 3600.0)
    is_down = True
    events: list[VerifierEvent] = []

    async def serve(request: httpx.Request) -> httpx.Response | None:
        if is_down:
            raise httpx.ConnectError("refused")
        return None

    verifier = make(feed="sse", transport=Changed(fake_issuer, serve), on_event=events.append)
    verifier.start()
    wait_until(lambda: any(event.type == "feed_failed" for event in events))
    is_down = False
    assert verifier.refresh()
    wait_until(lambda: len(fake_issuer.listeners) == 1)


FORGED: dict[str, Callable[[FakeIssuer, list[str]], str]] = {
    "replayed, of an older epoch": lambda issuer, seen: seen[0],
    "truncated": lambda issuer, seen: seen[1][:-8],
    "cut in its payload": lambda issuer, seen: ".".join([seen[1].split(".")[0], "eyJ9", seen[1].split(".")[2]]),
    "that leaves out epochs": lambda issuer, seen: issuer.answer(epoch=9, since=8, entries=[]),
    "of another incarnation that does not begin at the start": lambda issuer, seen: issuer.answer(
        incarnation="other", since=1, epoch=9, entries=[]
    ),
    "of another incarnation that is not newer": lambda issuer, seen: issuer.answer(
        incarnation="other", issued_at=issuer.now() - 60, since=0, epoch=0, entries=[], max_staleness_s=100
    ),
    "signed by another key": lambda issuer, seen: FakeIssuer().answer(iss="https://auth.test"),
    "of another issuer": lambda issuer, seen: issuer.answer(iss="https://attacker.example"),
    "issued in the future": lambda issuer, seen: issuer.answer(issued_at=issuer.now() + 3600),
    "issued long ago": lambda issuer, seen: issuer.answer(issued_at=issuer.now() - 3600),
    "of the type of an access token": lambda issuer, seen: issuer.mint(),
    "of 10 MB": lambda issuer, seen: seen[1] + "A" * 10_000_000,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_feed_is_refused_and_changes_nothing(name: str, fake_issuer: FakeIssuer, make: Make) -> None:
    forged: str | None = None
    events: list[VerifierEvent] = []

    async def serve(request: httpx.Request) -> httpx.Response | None:
        is_feed = request.url.path == "/v1/revocations"
        return httpx.Response(200, text=forged) if is_feed and forged is not None else None

    verifier = make(feed_interval=60, transport=Changed(fake_issuer, serve), on_event=events.append)
    token = fake_issuer.mint()
    first = fake_issuer.answer()
    verifier.refresh()
    fake_issuer.revoke(token)
    verifier.refresh()
    before = verifier.state()
    forged = FORGED[name](fake_issuer, [first, fake_issuer.answer()])
    events.clear()
    verifier.refresh()
    assert [event.type for event in events if event.error is not None] == ["feed_failed"]
    after = verifier.state()
    assert (after.epoch, after.incarnation, after.revocations) == (1, before.incarnation, 1)
    assert verifier.verify(token).code == "revoked"
    # A forged answer is no news: it does not keep the verifier fresh.
    fake_issuer.advance(63)
    verifier.refresh()
    assert verifier.verify(token).code == "revocation_state_stale"


def test_a_restored_database_replaces_what_was_revoked(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, token = make(feed_interval=60), fake_issuer.mint()
    fake_issuer.revoke(token)
    assert verifier.verify(token).code == "revoked"
    fake_issuer.advance(1)
    fake_issuer.restore()
    verifier.refresh()
    assert verifier.verify(token).ok


def test_a_compromised_key_verifies_nothing(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, kid = make(), fake_issuer.rotate()
    token = fake_issuer.mint()
    assert verifier.verify(token).ok
    fake_issuer.rotate()
    fake_issuer.revoke(kind="key", value=kid)
    verifier.refresh()
    assert verifier.verify(token).code == "key_compromised"
    assert verifier.verify(fake_issuer.mint()).ok


def go_stale(issuer: FakeIssuer) -> None:
    issuer.go_stale()
    issuer.advance(63)


def test_a_stale_verifier_refuses_and_recovers(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, token = make(), fake_issuer.mint()
    verifier.ready()
    go_stale(fake_issuer)
    assert verifier.verify(token).code == "revocation_state_stale"
    with pytest.raises(VerifierError) as raised:
        verifier.verify_or_raise(token)
    assert (raised.value.status, raised.value.retryable) == (503, True)
    fake_issuer.recover()
    fake_issuer.advance(2)
    assert verifier.verify(token).ok


def test_a_stale_verifier_that_serves_knows_the_last_revocations(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, token, revoked = make(on_stale="serve"), fake_issuer.mint(), fake_issuer.mint()
    fake_issuer.revoke(revoked)
    verifier.ready()
    go_stale(fake_issuer)
    result = verifier.verify(token)
    assert result.ok and result.stale
    assert verifier.verify(revoked).code == "revoked"
    # What was never read cannot be served.
    assert make(on_stale="serve").verify(token).code == "key_ring_behind"


def test_a_stale_verifier_that_introspects_asks_about_each_token(fake_issuer: FakeIssuer, make: Make) -> None:
    async def serve(request: httpx.Request) -> httpx.Response | None:
        is_feed = request.url.path.startswith("/v1/revocations")
        return httpx.Response(500) if is_feed and is_down else None

    is_down = False
    verifier = make(on_stale="introspect", transport=Changed(fake_issuer, serve))
    token, revoked = fake_issuer.mint(), fake_issuer.mint()
    verifier.ready()
    is_down = True
    fake_issuer.advance(63)
    fake_issuer.revoke(revoked)
    assert verifier.verify(token).ok
    assert verifier.verify(revoked).code == "revoked"
    assert verifier.verify("forged").code == "malformed"
    assert fake_issuer.requests["/oauth2/introspect"] == 2
    fake_issuer.go_stale()
    assert verifier.verify(token).code == "revocation_state_stale"


def test_a_closed_verifier_verifies_until_it_is_stale(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier, token = make(), fake_issuer.mint()
    assert verifier.verify(token).ok
    verifier.close()
    assert verifier.verify(fake_issuer.mint()).ok
    fake_issuer.advance(63)
    assert verifier.verify(token).code == "revocation_state_stale"
    assert verifier.refresh() is False


def test_asyncio_verifies_in_several_event_loops(fake_issuer: FakeIssuer) -> None:
    verifier = AsyncVerifier(**fake_issuer.options)
    token = fake_issuer.mint()

    async def use() -> set[str]:
        await verifier.ready()
        return {result.code for result in await asyncio.gather(*(verifier.verify(token) for _ in range(50)))}

    assert asyncio.run(use()) == {"active"}
    fake_issuer.revoke(token)
    assert asyncio.run(verifier.refresh())
    assert asyncio.run(use()) == {"revoked"}
    verifier.close()

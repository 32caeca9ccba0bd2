"""The key set: one fetch at a time, cool-down, last good keys, and sets that are refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sallyport_verifier import Verifier, VerifierEvent
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed

JWKS = "/.well-known/jwks.json"
Make = Callable[..., Verifier]


def test_a_thousand_requests_cause_one_fetch_of_keys_and_none_each(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier = make(feed="off", cache_size=0)
    tokens = [fake_issuer.mint() for _ in range(100)]
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda at: verifier.verify(tokens[at % 100]).code, range(1000)))
    assert set(codes) == {"active"}
    assert fake_issuer.requests == {JWKS: 1}


def test_concurrent_unknown_kids_share_one_fetch_and_then_cool_down(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier = make(feed="off")
    assert verifier.verify(fake_issuer.mint()).ok
    with ThreadPoolExecutor(16) as pool:
        forged = [fake_issuer.mint({"kid": f"unknown-{at}"}) for at in range(64)]
        codes = {result.code for result in pool.map(verifier.verify, forged)}
        # Those that the fetch was for are unknown; of those that came in its cool-down nothing is known yet.
        assert codes <= {"unknown_key", "key_ring_behind"} and "unknown_key" in codes
    assert fake_issuer.requests[JWKS] <= 3
    before = fake_issuer.requests[JWKS]
    for token in forged:
        verifier.verify(token)
    assert fake_issuer.requests[JWKS] == before
    fake_issuer.advance(11)
    verifier.verify(forged[0])
    assert fake_issuer.requests[JWKS] == before + 1


def test_a_key_rotation_every_ten_seconds_refuses_no_valid_token(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier = make(feed="off")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            fake_issuer.rotate()
            fake_issuer.advance(10)
            tokens = [fake_issuer.mint() for _ in range(8)]
            assert {result.code for result in pool.map(verifier.verify, tokens)} == {"active"}


def test_the_last_good_keys_are_used_until_max_stale(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier = make(feed="off", jwks_ttl=100, max_stale=50)
    assert verifier.verify(fake_issuer.mint()).ok
    fake_issuer.go_stale()
    fake_issuer.advance(149)
    assert verifier.verify(fake_issuer.mint()).ok
    fake_issuer.advance(2)
    assert verifier.verify(fake_issuer.mint()).code == "key_ring_behind"
    fake_issuer.recover()
    fake_issuer.advance(40)
    assert verifier.verify(fake_issuer.mint()).ok


def test_a_clock_that_is_set_back_after_a_failed_fetch_does_not_put_off_the_next_one(
    fake_issuer: FakeIssuer, make: Make
) -> None:
    verifier = make(feed="off")
    fake_issuer.go_stale()
    assert verifier.verify(fake_issuer.mint()).code == "key_ring_behind"
    fake_issuer.recover()
    fake_issuer.advance(-3600)
    assert verifier.verify(fake_issuer.mint()).ok


def test_a_retired_key_verifies_no_cached_token(fake_issuer: FakeIssuer, make: Make) -> None:
    verifier = make(feed="off")
    old = fake_issuer.rotate()
    token = fake_issuer.mint()
    assert verifier.verify(token).ok
    fake_issuer.rotate()
    fake_issuer.retire(old)
    verifier.refresh()
    assert verifier.verify(token).code == "unknown_key"


async def drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


class Slow(httpx.AsyncByteStream):
    def __aiter__(self) -> AsyncIterator[bytes]:
        return drip()


SETS: dict[str, Callable[[dict[str, Any]], httpx.Response]] = {
    "an answer of 500": lambda good: httpx.Response(500, json=good),
    "a redirect": lambda good: httpx.Response(302, headers={"location": "https://attacker.example/"}),
    "10 MB": lambda good: httpx.Response(200, text=json.dumps(good) + " " * 10_000_000),
    "a set that never ends": lambda good: httpx.Response(200, stream=Slow()),
    "a packed set": lambda good: httpx.Response(200, headers={"content-encoding": "br"}, stream=Slow()),
    "no JSON": lambda good: httpx.Response(200, text="<html>"),
    "deep nesting": lambda good: httpx.Response(200, text="[" * 100_000),
    "no keys": lambda good: httpx.Response(200, json={"keys": []}),
    "101 keys": lambda good: httpx.Response(200, json={"keys": good["keys"] * 101}),
    "a private key": lambda good: httpx.Response(200, json={"keys": [*good["keys"], {"kty": "EC", "d": "AA"}]}),
    "a symmetric key": lambda good: httpx.Response(200, json={"keys": [*good["keys"], {"kty": "oct"}]}),
    "two keys of one kid": lambda good: httpx.Response(
        200, json={"keys": [*good["keys"], {**good["keys"][0], "use": "enc"}]}
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_key_set_is_refused_and_the_last_one_kept(name: str, fake_issuer: FakeIssuer, make: Make) -> None:
    is_bad = False
    errors: list[Exception | None] = []

    async def serve(request: httpx.Request) -> httpx.Response | None:
        if not is_bad:
            return None
        good = await fake_issuer.handle_async_request(request)
        return SETS[name](json.loads(good.text))

    def report(event: VerifierEvent) -> None:
        errors.append(event.error)

    verifier = make(feed="off", timeout=0.2, transport=Changed(fake_issuer, serve), on_event=report)
    assert verifier.verify(fake_issuer.mint()).ok
    is_bad = True
    errors.clear()
    verifier.refresh()
    assert len(errors) == 1 and errors[0] is not None
    assert verifier.verify(fake_issuer.mint()).ok
    assert (
        make(feed="off", timeout=0.2, transport=Changed(fake_issuer, serve)).verify(fake_issuer.mint()).code
        == "key_ring_behind"
    )

"""The feed from a file: written by one process, read by verifiers that have no secret."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sallyport_verifier import FeedWriter, Verifier, VerifierEvent
from sallyport_verifier._feed_file import write_feed_text
from sallyport_verifier.testing import FakeIssuer

from .conftest import wait_until

Make = Callable[..., Verifier]


def reader_options(path: Path) -> dict[str, Any]:
    return {"feed": "file", "feed_file": str(path), "feed_interval": 0.05, "client_id": None, "client_secret": None}


def writer_options(issuer: FakeIssuer, path: Path) -> dict[str, Any]:
    return {**issuer.options, "feed_file": str(path), "feed_interval": 0.05}


def keys_of(issuer: FakeIssuer) -> str:
    return json.dumps({"keys": [key.jwk for key in issuer._keys]})


def test_a_verifier_restarted_while_the_api_is_down_reads_the_file(
    fake_issuer: FakeIssuer, make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "feed.json"
    writer = FeedWriter(**writer_options(fake_issuer, path))
    writer.ready()
    assert os.stat(path).st_mode & 0o007 == 0
    token, revoked = fake_issuer.mint(), fake_issuer.mint()
    running = make(**reader_options(path))
    assert running.verify(revoked).ok
    fake_issuer.revoke(revoked)
    wait_until(lambda: running.verify(revoked).code == "revoked")
    fake_issuer.rotate()
    rotated = fake_issuer.mint()
    running.verify(rotated)
    fake_issuer.go_stale()
    restarted = make(**reader_options(path))
    assert restarted.verify(token).ok
    assert restarted.verify(revoked).code == "revoked"
    fake_issuer.advance(68)
    assert make(**reader_options(path)).verify(token).code == "revocation_state_stale"
    writer.close()
    assert [each.name for each in tmp_path.iterdir()] == ["feed.json"]


def test_a_writer_without_the_api_says_so_and_writes_nothing(fake_issuer: FakeIssuer, tmp_path: Path) -> None:
    fake_issuer.go_stale()
    writer = FeedWriter(**writer_options(fake_issuer, tmp_path / "feed.json"))
    with pytest.raises(RuntimeError, match="gave no revocations"):
        writer.ready()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_its_last_answers_is_refused(fake_issuer: FakeIssuer, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    token = fake_issuer.mint()
    first = fake_issuer.answer()
    fake_issuer.revoke(token)
    second = fake_issuer.answer()
    events: list[VerifierEvent] = []
    write_feed_text(str(path), keys_of(fake_issuer), [first, second])
    verifier = make(**{**reader_options(path), "feed_interval": 60}, on_event=events.append)
    assert verifier.verify(token).code == "revoked"
    write_feed_text(str(path), keys_of(fake_issuer), [first + " ", second])
    verifier.refresh()
    assert events[-1].type == "feed_failed"
    write_feed_text(str(path), keys_of(fake_issuer), [FakeIssuer().answer()])
    verifier.refresh()
    assert events[-1].type == "feed_failed"
    assert verifier.verify(token).code == "revoked"
    # An attacker who replays the whole file of yesterday makes the verifier stale, and no token good.
    write_feed_text(str(path), keys_of(fake_issuer), [first])
    os.utime(path, (0, 0))
    verifier.refresh()
    assert not verifier.verify(token).ok
    assert verifier.state().epoch == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"jwks": {}, "answers": [1]}', '{"jwks": [], "answers": []}'])
def test_a_malformed_file_is_refused(content: str, fake_issuer: FakeIssuer, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    path.write_text(content)
    verifier = make(**reader_options(path))
    assert verifier.verify(fake_issuer.mint()).code == "key_ring_behind"


class Nowhere(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")


def test_the_file_makes_every_request_needless(fake_issuer: FakeIssuer, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    write_feed_text(str(path), keys_of(fake_issuer), [fake_issuer.answer()])
    verifier = make(**reader_options(path), transport=Nowhere())
    assert verifier.verify(fake_issuer.mint()).ok
    assert verifier.verify(fake_issuer.mint({"kid": "other"})).code == "unknown_key"

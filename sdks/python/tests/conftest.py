"""What the tests share."""

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from sallyport_verifier import Verifier
from sallyport_verifier.testing import FakeIssuer

Handler = Callable[[httpx.Request], Awaitable[httpx.Response | None]]


class Changed(httpx.AsyncBaseTransport):
    """A fake issuer, some of whose answers are replaced."""

    def __init__(self, issuer: FakeIssuer, handler: Handler) -> None:
        self.issuer = issuer
        self.handler = handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        changed = await self.handler(request)
        return await self.issuer.handle_async_request(request) if changed is None else changed


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.005)


@pytest.fixture
def make(fake_issuer: FakeIssuer) -> Iterator[Callable[..., Verifier]]:
    """Makes verifiers of the fake issuer, and closes them."""
    made: list[Verifier] = []

    def make_one(**changes: Any) -> Verifier:
        options: dict[str, Any] = {**fake_issuer.options, **changes}
        made.append(Verifier(**options))
        return made[-1]

    yield make_one
    for verifier in made:
        verifier.close()

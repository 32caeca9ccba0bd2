"""Reads the revocation feed: by poll, as a stream, or from a file."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from ._background import Background
from ._contract import FEED_ANSWER_BYTES, FEED_PARTS, FEED_READ_BYTES, FEED_READ_TIMEOUTS
from ._feed_file import read_feed_text
from ._feed_status import FeedStatus
from ._http import ApiUnavailable, fetch_text, open_stream
from ._key_store import KeyStore
from ._options import Settings, VerifierEvent
from ._revocations import Revocations

#: Waiting times after failures, seconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0
#: After this long without a byte a stream is opened anew, at least. The API sends a heartbeat at half its bound.
_SILENT = 5.0


class FeedReader:
    """Reads the feed as ``feed`` says. Coroutines run in the background thread."""

    def __init__(
        self,
        settings: Settings,
        background: Background,
        keys: KeyStore,
        revocations: Revocations,
        status: FeedStatus,
        on_answer: Callable[[str], None] | None = None,
    ) -> None:
        """:param on_answer: called with each answer that was taken"""
        self._settings = settings
        self._background = background
        self._keys = keys
        self._revocations = revocations
        self._status = status
        self._on_answer = on_answer
        self._failures = 0
        self._retry_after: float = 0
        self._go_on: asyncio.Event | None = None
        self._renewal: asyncio.Future[bool] | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._file_answers: frozenset[str] = frozenset()

    async def read_once(self) -> bool:
        """Reads what is new; calls meanwhile share it. Never raises. Returns whether it was read to its end."""
        return await self._background.share(f"feed {id(self)}", self._read_once)

    async def settled(self) -> None:
        """Waits until no read is under way."""
        await self._background.settled(f"feed {id(self)}")

    async def _read_once(self) -> bool:
        async def work() -> None:
            await (self._read_file() if self._settings.feed == "file" else self._poll())
            self._report()

        return await self._attempt(work)

    def _report(self) -> None:
        revocations = self._revocations
        event = VerifierEvent("feed_read", epoch=revocations.epoch, entries=revocations.size())
        self._settings.on_event(event)
        self._status.update(revocations.is_fresh())

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
            if self._failures > 0 and self._retry_after == 0 and self._go_on is not None:
                # A wait after failures ends: this read has shown that the API is there.
                self._go_on.set()
            self._failures = 0
            return True
        except Exception as err:
            self._failures += 1
            self._retry_after = err.retry_after if isinstance(err, ApiUnavailable) else 0
            self._settings.on_event(VerifierEvent("feed_failed", error=err))
            self._status.update(self._revocations.is_fresh(), err)
            return False

    async def _take(self, jws: str) -> bool:
        is_complete = await self._revocations.read(jws)
        if self._on_answer is not None:
            self._on_answer(jws)
        return is_complete

    def _address(self, path: str) -> str:
        epoch, incarnation = self._revocations.position()
        query = {"since": str(epoch)} | ({} if incarnation is None else {"incarnation": incarnation})
        return f"{self._settings.api}{path}?{urlencode(query)}"

    async def _poll(self) -> None:
        """Reads the parts of an answer up to the newest epoch.

        All together are limited in time and size, so that a feed without end keeps no caller waiting; the next read
        continues behind the last part.
        """
        ends_at = time.monotonic() + FEED_READ_TIMEOUTS * self._settings.timeout
        size = 0
        for _ in range(FEED_PARTS):
            left = ends_at - time.monotonic()
            if left <= 0 or size >= FEED_READ_BYTES:
                break
            text, _headers = await fetch_text(
                self._background.client,
                "GET",
                self._address("/v1/revocations"),
                headers=self._settings.authorization,
                timeout=min(self._settings.timeout, left),
                maximum_bytes=FEED_ANSWER_BYTES,
            )
            size += len(text)
            if await self._take(text):
                return
        raise ApiUnavailable("the revocation feed has no end")

    async def _read_file(self) -> None:
        """Reads the file that another process writes: its keys, and its answers that are new."""
        read = read_feed_text(self._settings.feed_file, self._stamp)
        if read is None:
            return
        self._keys.load(read.jwks, read.age)
        last = len(read.answers) - 1
        for at, jws in enumerate(read.answers):
            if jws not in self._file_answers:
                await self._revocations.read(jws, is_history=at < last)
        self._stamp = read.stamp
        self._file_answers = frozenset(read.answers)

    async def _follow_stream(self) -> None:
        """Reads one stream until it ends or falls silent."""
        settings = self._settings
        headers = {**settings.authorization, "accept": "text/event-stream"}
        opened = open_stream(self._background.client, "GET", self._address("/v1/revocations/stream"), headers=headers)
        try:
            response = await asyncio.wait_for(opened.__aenter__(), settings.timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise ApiUnavailable("the revocation stream did not open in time") from None
        try:
            parts = response.aiter_bytes().__aiter__()
            buffer = b""
            while True:
                silent = max(_SILENT, self._revocations.bound)
                buffer += await asyncio.wait_for(parts.__anext__(), silent)
                buffer = await self._take_events(buffer)
        except StopAsyncIteration:
            return
        except (TimeoutError, asyncio.TimeoutError):
            raise ApiUnavailable("the revocation stream is silent") from None
        finally:
            await opened.__aexit__(None, None, None)

    async def _take_events(self, buffer: bytes) -> bytes:
        """Takes the values of ``data:`` lines, one for each event (WHATWG HTML §9.2.6). Returns what is left."""
        *events, rest = buffer.split(b"\n\n")
        if len(rest) > FEED_ANSWER_BYTES or any(len(event) > FEED_ANSWER_BYTES for event in events):
            raise ApiUnavailable("an event of the revocation stream is too long")
        for event in events:
            lines = event.decode(errors="replace").split("\n")
            data = [line[5:].lstrip() for line in lines if line.startswith("data:")]
            if data:
                await self._take("\n".join(data))
                self._report()
        return rest

    def _wait(self) -> float:
        """Doubles with each failure, and differs between verifiers. A stream that has ended is not opened at once."""
        settings = self._settings
        regular = settings.feed_interval
        if settings.feed == "sse":
            regular = _FIRST_WAIT * random.uniform(0.5, 1)
        if self._failures == 0:
            return regular
        grown: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 10))
        return max(self._retry_after, regular, grown * random.uniform(0.5, 1))

    async def follow(self) -> None:
        """Reads the feed until the background thread ends."""
        settings = self._settings
        self._go_on = asyncio.Event()
        if settings.feed != "sse":
            await asyncio.sleep(settings.feed_interval)
        while True:
            if settings.feed != "file" and self._keys.is_due():
                # The feed does not wait for the keys. A task without a reference could be collected.
                self._renewal = asyncio.ensure_future(self._keys.renew())
            if settings.feed == "sse":
                await self._attempt(self._follow_stream)
            else:
                await self.read_once()
            self._go_on.clear()
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._go_on.wait(), self._wait())

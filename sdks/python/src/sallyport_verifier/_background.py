"""One thread with an event loop, in which a verifier reads keys and revocations."""

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]
_all: "weakref.WeakSet[Background]" = weakref.WeakSet()


class Background:
    """Runs the I/O of one verifier. Its thread starts with the first use and does not keep a process alive.

    A forked child has no thread of its parent, so it starts its own.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        """:param transport: replaces the network"""
        self._transport = transport
        self.is_closed = False
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: httpx.AsyncClient | None = None
        self._shared: dict[str, asyncio.Task[Any]] = {}
        #: Whether the feed is being read. Set by the verifier.
        self.is_following = False

    @property
    def client(self) -> httpx.AsyncClient:
        """The HTTP client, for coroutines of this thread."""
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, timeout=None)  # noqa: S113 - every request has its own limit
        return self._client

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="sallyport-verifier", daemon=True)
                self._thread.start()
            return self._loop

    def submit(self, work: Work[T]) -> "Future[T]":
        """Runs a coroutine in the thread. After ``close`` the result is cancelled.

        Raises RuntimeError in the thread itself, which must not wait for itself.
        """
        if self.is_closed:
            ended: Future[T] = Future()
            ended.cancel()
            return ended
        loop = self._running_loop()
        if threading.current_thread() is self._thread:
            raise RuntimeError("sallyport-verifier: on_event must not call the verifier")
        return asyncio.run_coroutine_threadsafe(work(), loop)

    def is_sharing(self, name: str) -> bool:
        """Whether a coroutine of this name runs."""
        task = self._shared.get(name)
        return task is not None and not task.done()

    def shared_count(self) -> int:
        """How many shared coroutines run."""
        return len(self._shared)

    def start(self, name: str, work: Work[T]) -> "asyncio.Task[T]":
        """Runs one coroutine of a name at a time. Only for coroutines of this thread."""
        running = self._shared.get(name)
        if running is not None and not running.done():
            return running
        task = asyncio.get_running_loop().create_task(work())
        self._shared[name] = task

        def forget(ended: "asyncio.Task[T]") -> None:
            if self._shared.get(name) is ended:
                del self._shared[name]

        task.add_done_callback(forget)
        return task

    async def share(self, name: str, work: Work[T]) -> T:
        """Like ``start``; calls meanwhile wait for the same coroutine and share its result."""
        return await asyncio.shield(self.start(name, work))

    async def settled(self, name: str) -> None:
        """Waits until no coroutine of this name runs."""
        if self.is_sharing(name):
            await asyncio.wait([self._shared[name]])

    def close(self) -> None:
        """Ends everything that runs. Waits for a second at most."""
        self.is_closed = True
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = None
        if loop is None or thread is None:
            return

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if self._client is not None:
                await self._client.aclose()
            loop.call_soon(loop.stop)

        asyncio.run_coroutine_threadsafe(end(), loop)
        if thread is not threading.current_thread():
            thread.join(1)
            if not thread.is_alive():
                loop.close()


def _reset_all() -> None:
    for background in _all:
        with contextlib.suppress(Exception):
            background._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)

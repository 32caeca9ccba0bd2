"""Writes the file from which verifiers with ``feed="file"`` read."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._background import Background
from ._contract import FEED_ANSWER_BYTES
from ._feed import FeedReader
from ._feed_file import write_feed_text
from ._feed_status import FeedStatus
from ._key_store import KeyStore
from ._options import VerifierEvent, VerifierOptions, settings_of
from ._revocations import Revocations
from ._token import parse_token

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Changes after which the whole feed is read again, so that the file does not grow without end.
_MAXIMUM_ANSWERS = 200


@dataclass(slots=True)
class _Kept:
    jws: str
    kid: str
    #: Without news.
    is_quiet: bool


class _Reading:
    """The feed, read from its start, and its answers."""

    def __init__(self, writer: "FeedWriter") -> None:
        self.answers: list[_Kept] = []
        self._last_epoch = -1
        self.revocations = Revocations(writer.settings, writer.keys)
        self.reader = FeedReader(
            writer.settings, writer.background, writer.keys, self.revocations, writer.status, self._keep
        )

    def _keep(self, jws: str) -> None:
        epoch, _ = self.revocations.position()
        # Of answers without news, only the last is kept: it tells how recent the others are.
        if self.answers and self.answers[-1].is_quiet:
            self.answers.pop()
        parsed = parse_token(jws, FEED_ANSWER_BYTES)
        self.answers.append(_Kept(jws, "" if parsed is None else parsed.kid, epoch == self._last_epoch))
        self._last_epoch = epoch


class FeedWriter:
    """Keeps a file with the keys and the signed feed, from which any number of verifiers read.

    Only this process has the client's secret, and verifiers that start while the API is down have keys and
    revocations at once. Only it may write the file, because its keys are trusted.

    >>> FeedWriter(issuer=…, client_id=…, client_secret=…, feed_file="/run/sallyport/feed.json")  # doctest: +SKIP
    """

    def __init__(self, **options: "Unpack[VerifierOptions]") -> None:
        """Begins to write. Raises TypeError or ValueError for wrong options."""
        # The file is what the options name; what is written is read by poll.
        if not options.get("feed_file"):
            raise ValueError("sallyport-verifier: FeedWriter needs feed_file")
        self.settings = settings_of({**options, "feed": "poll"})
        self.background = Background(self.settings.transport)
        self.keys = KeyStore(self.settings, self.background)
        self.status = FeedStatus(self.settings, self.keys)
        self._reading = _Reading(self)
        self._is_written = False
        self._first = threading.Event()
        self.background.submit(self._follow)

    async def _write(self) -> bool:
        if self.keys.is_due():
            await self.keys.renew()
        reading = self._reading
        incarnation = reading.revocations.incarnation
        is_read = await reading.reader.read_once()
        is_other = incarnation not in (None, reading.revocations.incarnation)
        # A key that has retired, or that the feed revoked, verifies no old answer for a verifier that starts now.
        is_outdated = any(
            self.keys.find(kept.kid) is None or reading.revocations.is_key_revoked(kept.kid) for kept in reading.answers
        )
        if len(reading.answers) > _MAXIMUM_ANSWERS or is_other or is_outdated:
            fresh = _Reading(self)
            is_read = await fresh.reader.read_once()
            if is_read:
                reading = self._reading = fresh
        jwks = self.keys.text
        # Verifiers take the keys of a new file for new, so outdated keys are not written.
        if not is_read or jwks is None or not self.keys.is_fresh():
            return False
        write_feed_text(self.settings.feed_file, jwks, [kept.jws for kept in reading.answers])
        return True

    async def _follow(self) -> None:
        while True:
            try:
                self._is_written = await self._write() or self._is_written
            except Exception as err:
                self.settings.on_event(VerifierEvent("feed_failed", error=err))
            self._first.set()
            await asyncio.sleep(self.settings.feed_interval)

    def ready(self) -> None:
        """Waits for the first attempt. Raises RuntimeError if the file was not written."""
        self._first.wait()
        if not self._is_written:
            raise RuntimeError(f"the feed file could not be written: {self.settings.api} gave no revocations")

    def close(self) -> None:
        """Stops. The file stays."""
        with contextlib.suppress(RuntimeError):
            self.background.close()

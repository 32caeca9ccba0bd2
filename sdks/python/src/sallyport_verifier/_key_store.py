"""The published keys, in memory."""

import asyncio
import re
import time

import httpx

from ._background import Background
from ._contract import KEY_SET_BYTES
from ._http import fetch_text
from ._keys import KeyImporter, KeySet, KnownKey
from ._options import Settings, VerifierEvent

#: Waiting times after failed fetches, seconds.
_FIRST_WAIT, _LONGEST_WAIT = 1, 30
#: Shortest time between two requests to the background thread.
_ASK_SECONDS = 0.1
#: Unknown kids that are remembered, because a set that was asked for after they appeared lacks them.
_LACKING_MAXIMUM = 256
_NEVER = float("-inf")
_MAX_AGE = re.compile(r"(?:^|[ ,])max-age=([0-9]{1,9})", re.IGNORECASE)


def _max_age_of(headers: httpx.Headers) -> float:
    found = _MAX_AGE.search(headers.get("cache-control", ""))
    return float("inf") if found is None else max(1, int(found[1]))


class KeyStore:
    """Coroutines run in the background thread; everything else may be called from any thread and makes no I/O."""

    def __init__(self, settings: Settings, background: Background, url: str | None = None) -> None:
        """A store that has loaded nothing.

        :param url: of the key set; that of Sallyport unless given
        """
        self._url = f"{settings.api}/.well-known/jwks.json" if url is None else url
        #: Fetches of one name are shared.
        self._name = f"keys of {self._url}"
        self._settings = settings
        self._background = background
        self._importer = KeyImporter()
        self._keys: KeySet = {}
        #: The set as it was read; None before.
        self.text: str | None = None
        self.loaded_at: float | None = None
        self._fresh_until = _NEVER
        #: The same by the clock that is never set back.
        self._fresh_until_monotonic = _NEVER
        self._tried_at = _NEVER
        self._due_at = _NEVER
        self._unknown_kid_at = _NEVER
        #: In the order in which they were added; the oldest goes.
        self._lacking: dict[str, None] = {}
        self._failures = 0
        #: Why the last fetch failed; None after one that did not.
        self.failure: Exception | None = None
        self._asked_at = _NEVER

    def find(self, kid: str) -> KnownKey | None:
        """The key of a kid; None for an unknown one, and for a published key that is not for us."""
        return self._keys.get(kid)

    def is_published(self, kid: str) -> bool:
        """Whether the set has a key of this kid, usable or not."""
        return kid in self._keys

    def is_fresh(self) -> bool:
        """Whether keys were loaded, and are not older than ``jwks_ttl`` and ``max_stale`` together."""
        return self._settings.now() <= self._fresh_until and time.monotonic() <= self._fresh_until_monotonic

    def is_loaded(self) -> bool:
        """Whether a set was read."""
        return self.text is not None

    def lacks(self, kid: str) -> bool:
        """Whether a set that was asked for after this kid appeared lacks it; else nothing is known of it yet."""
        return self._failures == 0 and kid in self._lacking

    def size(self) -> int:
        """Number of keys in memory."""
        return len(self._keys)

    def load(self, text: str, age: float, ttl: float | None = None) -> None:
        """Takes a set. Raises KeySetRefused; the last one is then kept.

        :param age: how long ago the set was published, seconds
        """
        settings = self._settings
        self._keys = self._importer.read(text)
        self.text = text
        loaded_at = settings.now() - age
        life = settings.jwks_ttl + settings.max_stale
        self.loaded_at = loaded_at
        self._fresh_until = loaded_at + life
        self._fresh_until_monotonic = time.monotonic() - age + life
        self._due_at = loaded_at + (settings.jwks_ttl if ttl is None else ttl)
        self._failures = 0
        self.failure = None
        settings.on_event(VerifierEvent("keys_loaded", keys=len(self._keys)))

    async def _fetch(self) -> bool:
        settings = self._settings
        self._tried_at = settings.now()
        try:
            body, headers = await fetch_text(
                self._background.client,
                "GET",
                self._url,
                headers={"accept": "application/json"},
                timeout=settings.timeout,
                maximum_bytes=KEY_SET_BYTES,
            )
            self.load(body, 0, min(settings.jwks_ttl, _max_age_of(headers)))
            return True
        except Exception as err:
            self._failures += 1
            self.failure = err
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures - 1, 10))
            self._due_at = settings.now() + wait
            settings.on_event(VerifierEvent("keys_failed", error=err))
            return False

    async def renew(self) -> bool:
        """Fetches the set; calls during a fetch share it. Never raises. Returns whether the set was read."""
        return await self._background.share(self._name, self._fetch)

    async def settled(self) -> None:
        """Waits until no fetch is under way."""
        await self._background.settled(self._name)

    def _is_fetching(self) -> bool:
        return self._background.is_sharing(self._name)

    def is_due(self) -> bool:
        """Whether the set should be fetched again. A clock that was set back must not put off what is due."""
        now = self._settings.now()
        return (now >= self._due_at or now < self._tried_at) and not self._is_fetching()

    def renew_when_due(self) -> None:
        """Fetches the set in the background once its time has passed. Returns at once."""
        if not self.is_due() or self._background.is_closed:
            return
        # A busy thread may begin late, and needs to be asked once.
        if time.monotonic() - self._asked_at >= _ASK_SECONDS:
            self._asked_at = time.monotonic()
            self._background.submit(self.renew)

    def may_ask_for_unknown_kid(self) -> bool:
        """Whether a kid that is in no set yet may cause a fetch now, or a fetch is under way."""
        passed = self._settings.now() - self._unknown_kid_at
        return self._is_fetching() or not 0 <= passed < self._settings.jwks_cooldown

    async def renew_for_unknown_kid(self, kid: str) -> None:
        """Fetches for a kid that is in no set yet, unless a fetch for another such kid was just made."""
        # A fetch under way may have begun before the key was published.
        if self._is_fetching() and (not await self.renew() or self.is_published(kid)):
            return
        if self.may_ask_for_unknown_kid():
            fetch = self._background.start(self._name, self._fetch)
            # Other threads see the fetch before its cool-down.
            self._unknown_kid_at = self._settings.now()
            if await asyncio.shield(fetch) and not self.is_published(kid):
                self._lacking[kid] = None
                if len(self._lacking) > _LACKING_MAXIMUM:
                    del self._lacking[next(iter(self._lacking))]

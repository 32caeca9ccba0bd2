"""The verifier, for threads and for asyncio."""

import asyncio
import json
from collections.abc import Generator
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Unpack

from ._background import Background, Work
from ._codes import Refusal, VerifierError, refuse
from ._contract import INTROSPECTION_BYTES, INTROSPECTIONS_AT_ONCE, VerifierCode
from ._decision import NO_REQUIREMENTS, Accepted, Decider, Requirements, Result, UnknownKid
from ._feed import FeedReader
from ._feed_status import FeedStatus
from ._http import fetch_text
from ._key_store import KeyStore
from ._legacy import LegacyTokens
from ._options import Settings, VerifierEvent, VerifierOptions, settings_of
from ._revocations import Revocations

T = TypeVar("T")
#: After a failed attempt to renew, requests do not wait for another one for this long, seconds.
_PATIENCE = 1
#: Yields work for the background thread, and receives its result.
_Steps = Generator[Work[Any], Any, Result]


@dataclass(frozen=True, slots=True)
class VerifierState:
    """How fresh a verifier is."""

    keys: int
    #: Unix seconds; None before the first.
    keys_loaded_at: float | None
    epoch: int
    incarnation: str | None
    #: Live revocations in memory.
    revocations: int
    cached_tokens: int
    #: Whether tokens can be decided now without ``on_stale``.
    fresh: bool


class _Core:
    """What both verifiers share."""

    def __init__(self, **options: "Unpack[VerifierOptions]") -> None:
        """Raises TypeError or ValueError for wrong options. It begins to read with ``start``, ``ready`` or a token."""
        self.settings: Settings = settings_of(options)
        self._background = Background(self.settings.transport)
        self._keys = KeyStore(self.settings, self._background)
        self._revocations = Revocations(self.settings, self._keys)
        self._status = FeedStatus(self.settings, self._keys)
        self._reader = FeedReader(self.settings, self._background, self._keys, self._revocations, self._status)
        self._decider = Decider(self.settings, self._keys, self._revocations)
        legacy = self.settings.legacy
        self._legacy = (
            None
            if legacy is None
            else LegacyTokens(self.settings, legacy, self._background, self._keys, self._revocations)
        )
        self._renewal_ended_at = float("-inf")

    def _are_keys_fresh(self) -> bool:
        return not self._decider.uses_keys or self._keys.is_fresh()

    def _is_fresh(self) -> bool:
        return self._are_keys_fresh() and (self.settings.feed == "off" or self._revocations.is_fresh())

    def _stale_code(self) -> VerifierCode:
        return self._status.stale_code(self._are_keys_fresh())

    async def _read_all(self) -> None:
        if self.settings.feed == "file":
            await self._reader.read_once()
            return
        if self._decider.uses_keys:
            await self._keys.renew()
        if self.settings.feed != "off" and self._keys.is_loaded():
            await self._reader.read_once()

    async def _read_now(self) -> None:
        # What is under way may have been answered before.
        await asyncio.gather(self._keys.settled(), self._reader.settled())
        await self._read_all()

    def _may_renew(self) -> bool:
        passed = self.settings.now() - self._renewal_ended_at
        return not self._background.is_closed and (
            self._background.is_sharing("renewal") or not 0 <= passed < _PATIENCE
        )

    async def _renew(self) -> None:
        """Reads what is stale. Requests share one attempt, and do not wait for another one directly after it."""

        async def attempt() -> None:
            try:
                if self.settings.feed != "file" and self._are_keys_fresh():
                    await self._reader.read_once()
                else:
                    await self._read_all()
            finally:
                self._renewal_ended_at = self.settings.now()

        if self._may_renew():
            await self._background.share("renewal", attempt)

    def start(self) -> None:
        """Begins to read keys and revocations, so that the log says at once if the API refuses the client.

        ``protect`` of FastAPI does it when the application starts, ``verify`` with the first token. Returns at once.
        """
        background = self._background
        if background.is_following or background.is_closed:
            return
        background.is_following = True
        if self.settings.feed != "off":
            background.submit(self._reader.follow)

    async def _is_active(self, token: str) -> bool:
        """Asks the API whether the token is active (RFC 7662). Raises when it does not answer."""
        text, _ = await fetch_text(
            self._background.client,
            "POST",
            f"{self.settings.api}/oauth2/introspect",
            headers=self.settings.authorization,
            data={"token": token},
            timeout=self.settings.timeout,
            maximum_bytes=INTROSPECTION_BYTES,
        )
        answer = json.loads(text)
        active = answer.get("active") if isinstance(answer, dict) else None
        if not isinstance(active, bool):
            raise ValueError("the introspection is malformed")
        return active

    def _introspect(self, accepted: Accepted, code: VerifierCode) -> _Steps:
        name = f"introspection {accepted.token}"

        async def ask() -> bool | None:
            try:
                return await self._is_active(accepted.token)
            except Exception as err:
                self.settings.on_event(VerifierEvent("introspection_failed", error=err))
                return None

        async def ask_once() -> bool | None:
            background = self._background
            if not background.is_sharing(name) and background.shared_count() >= INTROSPECTIONS_AT_ONCE:
                return None
            return await background.share(name, ask)

        if self._background.is_closed:
            return refuse(code)
        is_active = yield ask_once
        if is_active is None:
            return refuse(code)
        return accepted if is_active else refuse("revoked")

    def _decide_legacy(self, legacy: LegacyTokens, token: str, requirements: Requirements, is_stale: bool) -> _Steps:
        parsed = legacy.parse(token)
        if isinstance(parsed, str):
            return refuse(parsed)
        if legacy.may_read_keys() and not self._background.is_closed:
            yield legacy.read_keys
        verified = legacy.verify(token, parsed, has_asked=False)
        if isinstance(verified, UnknownKid):
            if legacy.keys.may_ask_for_unknown_kid() and not self._background.is_closed:
                yield partial(legacy.keys.renew_for_unknown_kid, verified.kid)
            verified = legacy.verify(token, parsed, has_asked=True)
        assert not isinstance(verified, UnknownKid)
        if isinstance(verified, str):
            return refuse(verified)
        # The permissions in a token are those of Sallyport; a token of the old provider has none.
        result = self._decider.accept(verified, replace(requirements, permissions=()), is_stale, "legacy")
        return refuse("permission_missing") if result.ok and requirements.permissions else result

    def _decide(self, token: str, requirements: Requirements, is_stale: bool) -> _Steps:
        legacy = self._legacy
        if legacy is not None and not self._decider.is_remembered(token) and legacy.is_for(token):
            return (yield from self._decide_legacy(legacy, token, requirements, is_stale))
        result = self._decider.decide(token, requirements, is_stale, has_asked=False)
        if isinstance(result, UnknownKid):
            if self._keys.may_ask_for_unknown_kid() and not self._background.is_closed:
                yield partial(self._keys.renew_for_unknown_kid, result.kid)
            result = self._decider.decide(token, requirements, is_stale, has_asked=True)
        assert not isinstance(result, UnknownKid)
        return result

    def _decide_stale(self, token: str, requirements: Requirements) -> _Steps:
        settings = self.settings
        code = self._stale_code()
        # `serve` means by what was known last; before anything was read, nothing is.
        is_unread = settings.feed != "off" and self._revocations.position()[1] is None
        if (
            settings.on_stale == "fail"
            or (self._decider.uses_keys and not self._keys.is_loaded())
            or (settings.on_stale == "serve" and is_unread)
        ):
            return refuse(code)
        result = yield from self._decide(token, requirements, True)
        if isinstance(result, Accepted) and settings.on_stale == "introspect":
            return (yield from self._introspect(result, code))
        return result

    def _steps(self, token: str, requirements: Requirements) -> _Steps:
        self.start()
        if not self._is_fresh():
            if self._may_renew():
                yield self._renew
            if not self._is_fresh():
                return (yield from self._decide_stale(token, requirements))
        if self._decider.uses_keys and self.settings.feed != "file":
            self._keys.renew_when_due()
        return (yield from self._decide(token, requirements, False))

    def _refusal_if_stale(self) -> VerifierError | None:
        if self._is_fresh():
            return None
        return VerifierError(refuse(self._stale_code()))

    def state(self) -> VerifierState:
        """How fresh the verifier is. No I/O."""
        return VerifierState(
            keys=self._keys.size(),
            keys_loaded_at=self._keys.loaded_at,
            epoch=self._revocations.epoch,
            incarnation=self._revocations.incarnation,
            revocations=self._revocations.size(),
            cached_tokens=len(self._decider.verified_tokens),
            fresh=self._is_fresh(),
        )

    def close(self) -> None:
        """Stops reading. Tokens are verified until keys or revocations are stale."""
        self._background.close()


class Verifier(_Core):
    """Verifies access tokens. One serves a whole process, and may be called from any thread.

    >>> verifier = Verifier(issuer="https://auth.example", client_id=…, client_secret=…)  # doctest: +SKIP
    """

    def _result_of(self, work: Work[T]) -> T | None:
        """What the background thread makes of the work; None when the verifier is closed meanwhile."""
        try:
            return self._background.submit(work).result()
        except CancelledError:
            return None

    def verify(self, token: str, requirements: Requirements = NO_REQUIREMENTS) -> Result:
        """Verifies an access token. Never raises: a token that is not accepted is a Refusal with its code.

        Without I/O while keys and revocations are fresh; only a kid that was never seen may cause one fetch.
        """
        steps = self._steps(token, requirements)
        try:
            work = next(steps)
            while True:
                work = steps.send(self._result_of(work))
        except StopIteration as done:
            result: Result = done.value
            return result

    def verify_or_raise(self, token: str, requirements: Requirements = NO_REQUIREMENTS) -> Accepted:
        """Like ``verify``, but raises VerifierError."""
        return _accepted(self.verify(token, requirements))

    def refresh(self) -> bool:
        """Reads keys and revocations as they are now. Returns whether tokens can be decided."""
        self._result_of(self._read_now)
        return self._is_fresh()

    def ready(self) -> None:
        """Waits for the first keys and revocations. Raises VerifierError (503) if the API did not give them."""
        self.start()
        if not self._is_fresh():
            self._result_of(self._read_all)
        error = self._refusal_if_stale()
        if error is not None:
            raise error


class AsyncVerifier(_Core):
    """Verifies access tokens in asyncio programs. One serves a whole process, and any number of event loops.

    It reads keys and revocations in a thread of its own, so a busy event loop delays no revocation.
    """

    async def _result_of(self, work: Work[T]) -> T | None:
        """What the background thread makes of the work; None when the verifier is closed meanwhile."""
        try:
            return await asyncio.wrap_future(self._background.submit(work))
        except asyncio.CancelledError:
            if not self._background.is_closed:
                raise
            return None

    async def verify(self, token: str, requirements: Requirements = NO_REQUIREMENTS) -> Result:
        """Verifies an access token. Never raises: a token that is not accepted is a Refusal with its code.

        Without I/O while keys and revocations are fresh; only a kid that was never seen may cause one fetch.
        """
        steps = self._steps(token, requirements)
        try:
            work = next(steps)
            while True:
                work = steps.send(await self._result_of(work))
        except StopIteration as done:
            result: Result = done.value
            return result

    async def verify_or_raise(self, token: str, requirements: Requirements = NO_REQUIREMENTS) -> Accepted:
        """Like ``verify``, but raises VerifierError."""
        return _accepted(await self.verify(token, requirements))

    async def refresh(self) -> bool:
        """Reads keys and revocations as they are now. Returns whether tokens can be decided."""
        await self._result_of(self._read_now)
        return self._is_fresh()

    async def ready(self) -> None:
        """Waits for the first keys and revocations. Raises VerifierError (503) if the API did not give them."""
        self.start()
        if not self._is_fresh():
            await self._result_of(self._read_all)
        error = self._refusal_if_stale()
        if error is not None:
            raise error


def _accepted(result: Result) -> Accepted:
    if isinstance(result, Refusal):
        raise VerifierError(result)
    return result

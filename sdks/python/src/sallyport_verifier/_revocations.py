"""What the feed has revoked, in memory."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._contract import FEED_ANSWER_BYTES, INCARNATIONS_LEFT, VerifierCode
from ._feed_answer import Answer, answer_of
from ._key_store import KeyStore
from ._keys import ASYMMETRIC
from ._options import Settings
from ._text import parse_strict_object, text_of
from ._token import parse_token

_FEED_TYPE = "revocations+jwt"
#: Entries looked at per answer for those that have expired.
_SWEPT_PER_ANSWER = 2000
_NEVER = float("-inf")


class FeedRefused(Exception):
    """The answer was not taken, and changed nothing."""

    def __init__(self, why: str) -> None:
        """:param why: end of the message"""
        super().__init__(f"an answer of the revocation feed was refused: {why}")


@dataclass(slots=True)
class _Memory:
    """By kind and value: when the entry expires (Unix seconds), and for a user or client also the epoch."""

    jti: dict[str, float] = field(default_factory=dict)
    sid: dict[str, float] = field(default_factory=dict)
    key: dict[str, float] = field(default_factory=dict)
    family: dict[str, float] = field(default_factory=dict)
    #: Families that ended because an old refresh token was used.
    reused: set[str] = field(default_factory=set)
    user: dict[str, tuple[int, float]] = field(default_factory=dict)
    client: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, entry: dict[str, Any]) -> None:
        kind, value, expires_at = entry["kind"], entry["value"], entry["expires_at"]
        if kind in ("user", "client"):
            parties: dict[str, tuple[int, float]] = getattr(self, kind)
            epoch, end = parties.get(value, (0, 0))
            parties[value] = (max(epoch, entry["token_epoch"]), max(end, expires_at))
            return
        if kind == "family" and entry.get("reason") == "refresh_token_reused":
            self.reused.add(value)
        names: dict[str, float] = getattr(self, kind)
        names[value] = max(names.get(value, 0), expires_at)

    def size(self) -> int:
        parties = len(self.user) + len(self.client)
        return len(self.jti) + len(self.sid) + len(self.key) + len(self.family) + parties

    def sweep(self, settings: Settings) -> Iterator[None]:
        """Goes through all entries, one at each step, and removes those that have expired."""
        while True:
            for names in (self.jti, self.sid, self.key, self.family):
                for value in list(names):
                    if names.get(value, 0) < settings.now():
                        names.pop(value, None)
                        if names is self.family:
                            self.reused.discard(value)
                    yield
            for parties in (self.user, self.client):
                for value in list(parties):
                    if parties.get(value, (0, 0))[1] < settings.now():
                        parties.pop(value, None)
                    yield
            yield


@dataclass(slots=True)
class _Next:
    """The first parts of another incarnation: they replace the state when they are complete."""

    memory: _Memory
    incarnation: str
    epoch: int = 0


class Revocations:
    """``read`` runs in the background thread; everything else may be called from any thread and makes no I/O."""

    def __init__(self, settings: Settings, keys: KeyStore) -> None:
        """Knows nothing, and is not fresh."""
        self._settings = settings
        self._keys = keys
        self._memory = _Memory()
        self._sweep = self._memory.sweep(settings)
        self.incarnation: str | None = None
        self.epoch = 0
        #: The bound that the last complete answer named, seconds.
        self.bound: float = 2
        #: When the newest complete answer was issued, by its own clock.
        self._issued_at = _NEVER
        self._fresh_until = _NEVER
        #: The same by the clock that is never set back.
        self._fresh_until_monotonic = _NEVER
        self._next: _Next | None = None
        self._left: list[str] = []

    def objection_to(self, claims: Mapping[str, Any]) -> VerifierCode | None:
        """None when the token is not revoked."""
        memory = self._memory
        if claims["jti"] in memory.jti:
            return "revoked"
        family = claims.get("fid")
        if family is not None and family in memory.family:
            return "family_reused" if family in memory.reused else "revoked"
        # A token without an epoch counts as older than every raised epoch.
        user = memory.user.get(claims["sub"])
        if user is not None and claims.get("ue", 0) < user[0]:
            return "revoked"
        client = memory.client.get(claims["client_id"])
        if client is not None and claims.get("ce", 0) < client[0]:
            return "revoked"
        for origin in claims.get("origins", ()):
            party = memory.client.get(origin["client_id"])
            if origin["jti"] in memory.jti or (party is not None and origin["ce"] < party[0]):
                return "revoked"
        session = claims.get("sid")
        return "session_ended" if session is not None and session in memory.sid else None

    def is_session_ended(self, name: str) -> bool:
        """Whether the session ended."""
        return name in self._memory.sid

    def is_key_revoked(self, kid: str) -> bool:
        """Whether an operator marked the key as compromised."""
        return kid in self._memory.key

    def is_fresh(self) -> bool:
        """Whether what is known is complete, and not older than the feed's own bound and ``max_stale`` together."""
        return self._settings.now() <= self._fresh_until and time.monotonic() <= self._fresh_until_monotonic

    def size(self) -> int:
        """Live revocations in memory."""
        return self._memory.size()

    def position(self) -> tuple[int, str | None]:
        """Epoch and incarnation from where the next answer continues."""
        following = self._next
        return (self.epoch, self.incarnation) if following is None else (following.epoch, following.incarnation)

    async def _verified(self, jws: str) -> Answer:
        """The payload of an answer with our signature."""
        parsed = parse_token(jws, FEED_ANSWER_BYTES)
        if parsed is None:
            raise FeedRefused("it is malformed")
        if parsed.alg not in ASYMMETRIC:
            raise FeedRefused("its algorithm is not allowed")
        if not self._keys.is_published(parsed.kid):
            await self._keys.renew_for_unknown_kid(parsed.kid)
        known = self._keys.find(parsed.kid)
        if known is None:
            raise FeedRefused("its key is unknown")
        if known.alg != parsed.alg or self.is_key_revoked(known.kid):
            raise FeedRefused("its key is not accepted")
        if not known.verifies(parsed.signing_input, parsed.signature):
            raise FeedRefused("its signature is wrong")
        if parsed.typ != _FEED_TYPE:
            raise FeedRefused("it has another type")
        text = text_of(parsed.payload)
        body = None if text is None else parse_strict_object(text)
        if body is None or body.get("iss") != self._settings.issuer:
            raise FeedRefused("it is of another issuer")
        answer = answer_of(body)
        if answer is None:
            raise FeedRefused("its payload is malformed")
        return answer

    def _lasts_until(self, answer: Answer, bound: float) -> float:
        """Until when the answer may be relied on. Clocks that differ within the skew cost no time."""
        settings = self._settings
        return min(settings.now(), answer.issued_at + settings.clock_skew) + bound + settings.max_stale

    def _assert_timely(self, answer: Answer) -> None:
        now = self._settings.now()
        if answer.issued_at > now + self._settings.clock_skew:
            raise FeedRefused("it was issued in the future")
        # A part that is not complete names no bound of its own.
        bound = answer.max_staleness if answer.is_complete else self.bound
        if self._lasts_until(answer, bound) < now:
            raise FeedRefused("it was issued too long ago")

    def _place_of(self, answer: Answer) -> _Memory:
        """Where the entries of the answer belong. Raises FeedRefused if it does not follow what is known."""
        if self.incarnation is None or answer.incarnation == self.incarnation:
            if self.incarnation is None and answer.since != 0:
                raise FeedRefused("it does not begin at the start")
            if answer.epoch < self.epoch:
                raise FeedRefused("it is older than what is known")
            if answer.since > self.epoch:
                raise FeedRefused("it leaves out epochs")
            return self._memory
        if answer.incarnation in self._left:
            raise FeedRefused("its incarnation was left before")
        if answer.issued_at <= self._issued_at:
            raise FeedRefused("it is of another incarnation and not newer")
        following = self._next
        if answer.since == 0:
            following = self._next = _Next(_Memory(), answer.incarnation)
        elif (
            following is None
            or following.incarnation != answer.incarnation
            or not answer.since <= following.epoch <= answer.epoch
        ):
            raise FeedRefused("it is of another incarnation and does not begin at the start")
        return following.memory

    def _take(self, answer: Answer, is_history: bool) -> None:
        place = self._place_of(answer)
        for entry in answer.entries:
            place.add(entry)
        if place is self._memory:
            self.incarnation, self.epoch, self._next = answer.incarnation, answer.epoch, None
        elif self._next is not None:
            self._next.epoch = answer.epoch
            if not answer.is_complete:
                return
            self._left = [*self._left, str(self.incarnation)][-INCARNATIONS_LEFT:]
            self._fresh_until = self._fresh_until_monotonic = _NEVER
            self.incarnation, self.epoch, self._next = answer.incarnation, answer.epoch, None
            self._memory = place
            self._sweep = place.sweep(self._settings)
        if not answer.is_complete or is_history:
            return
        self._issued_at = max(self._issued_at, answer.issued_at)
        self.bound = answer.max_staleness
        until = self._lasts_until(answer, answer.max_staleness)
        self._fresh_until = max(self._fresh_until, until)
        left = time.monotonic() + until - self._settings.now()
        self._fresh_until_monotonic = max(self._fresh_until_monotonic, left)

    async def read(self, jws: str, is_history: bool = False) -> bool:
        """Verifies an answer and applies it. Raises FeedRefused; the state is then as before.

        :param is_history: True for an answer of a file that newer ones follow: it may be old, and is no news
        :returns: whether it is complete
        """
        answer = await self._verified(jws)
        if not is_history:
            self._assert_timely(answer)
        # The writer of a file may have read the whole feed again.
        is_known = is_history and answer.incarnation == self.incarnation and answer.epoch <= self.epoch
        if not is_known:
            self._take(answer, is_history)
        for _ in range(min(_SWEPT_PER_ANSWER, self.size())):
            next(self._sweep)
        return answer.is_complete

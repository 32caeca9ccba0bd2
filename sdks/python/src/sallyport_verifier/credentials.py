"""Keeps the tokens of a sign-in in one file that any number of processes share.

One of them refreshes, the others wait and read what it wrote. For Linux and macOS, on a local disk.
``@sallyport/client/credentials`` reads and writes the same file.
"""

import asyncio
import json
import os
import random
import sqlite3
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, Literal

import httpx
import jwt

from ._text import sha256

CredentialCode = Literal[
    "sign_in_required",
    "refresh_refused",
    "server_unavailable",
    "store_busy",
    "store_damaged",
    "store_exposed",
    "store_unavailable",
]

_TEXTS: dict[CredentialCode, str] = {
    "sign_in_required": "there is no sign-in, or it has ended. Sign in again and save the new tokens.",
    "refresh_refused": "the API refused the client, not the sign-in. Compare client id, secret, DPoP key and clock.",
    "server_unavailable": "the API gave no new tokens. Try again in a few seconds.",
    "store_busy": "another process has the lock for too long. Try again, or look for a stopped process.",
    "store_damaged": (
        "the file is damaged or no credential store, and was not changed. Move it away and sign in again."
    ),
    "store_exposed": (
        "other users may read the file, or replace it in its folder. Run chmod 600 on it, chmod 700 on the folder."
    ),
    "store_unavailable": "the file cannot be read or written.",
}

#: ``application_id`` of the file: "SPC1". Another format gets another one.
_FORMAT = 0x53504331
#: The same in every language: within two minutes the API repeats a lost answer only to the same user agent.
_USER_AGENT = "sallyport-credentials"
#: A token is replaced this long before it expires, or in the last quarter of its life if that is shorter.
_EARLY_SECONDS = 60
#: How much two clocks may differ.
_CLOCK_SECONDS = 5
#: After a failure nothing asks the API again for so long.
_PAUSE_SECONDS = 5
_ATTEMPTS = 3
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10
_ANSWER_BYTES = 262_144

#: A row of the file: access_token, obtained_at, expires_at, refresh_token, dpop_jwk, retry_at, ended. Times are Unix
#: seconds of this machine.
_Entry = dict[str, Any]


class CredentialError(Exception):
    """Why there is no access token. Holds no secret."""

    def __init__(self, path: str, code: CredentialCode, reason: str | None = None) -> None:
        """:param reason: the API's own code, where it refused"""
        super().__init__(f"{path}: {_TEXTS[code]}" + ("" if reason is None else f" ({reason})"))
        self.code: CredentialCode = code
        self.reason = reason


def _are_tokens(body: Mapping[str, Any]) -> bool:
    life = body.get("expires_in")
    return isinstance(body.get("access_token"), str) and isinstance(life, (int, float)) and life > 0


def _entry_of(tokens: Mapping[str, Any], at: float, before: _Entry) -> _Entry:
    return {
        "access_token": tokens["access_token"],
        "obtained_at": at,
        "expires_at": at + tokens["expires_in"],
        "refresh_token": tokens.get("refresh_token") or before.get("refresh_token"),
        "dpop_jwk": before.get("dpop_jwk"),
    }


def _error_in(challenge: str) -> str:
    return challenge.partition('error="')[2].partition('"')[0]


def _seconds_in(retry_after: str, default: float) -> float:
    return float(retry_after) if retry_after.isdigit() and int(retry_after) > 0 else default


class CredentialStore(httpx.Auth):
    """The file of a sign-in; it is read at the first call. Any thread and any forked child may use it.

    Every method raises CredentialError, whose ``code`` is ``sign_in_required`` when only a new sign-in helps. As
    ``auth`` of httpx it sends the access token and, if it is bound, a DPoP proof, and replaces a refused token once.

    >>> store = CredentialStore(path=path, url="https://auth.example", client_id=client_id)  # doctest: +SKIP
    >>> httpx.get("https://notes.example/notes", auth=store)  # doctest: +SKIP
    """

    #: A request may be sent again.
    requires_request_body = True

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        url: str,
        client_id: str,
        client_secret: str | None = None,
        timeout: float = 10,
        lock_timeout: float = 60,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """:param path: the file, on a local disk. It is made with mode 0600, and its folder with mode 0700
        :param url: base URL of the API. A file keeps one sign-in for each URL and client
        :param client_secret: of a client that has one
        :param timeout: limit of one request for tokens, seconds
        :param lock_timeout: how long to wait for another process that refreshes, seconds
        :param transport: replaces the network, for proxies and tests
        :param now: Unix seconds, replaced in tests
        :param sleep: waits some seconds, replaced in tests
        """
        self._path = os.fspath(path)
        self._endpoint = f"{url.rstrip('/')}/oauth2/token"
        self._name = f"{self._endpoint} {client_id}"
        self._client = {"client_id": client_id, **({} if client_secret is None else {"client_secret": client_secret})}
        self._timeout = timeout
        self._lock_timeout = lock_timeout
        self._transport = transport
        self._now = now
        self._sleep = sleep
        #: What servers last said, by origin: the nonce of the next proof, and how far their clock is ahead.
        self._servers: dict[str, tuple[str | None, float]] = {}

    def save(self, tokens: Mapping[str, Any], *, dpop_jwk: Mapping[str, str] | None = None) -> None:
        """Keeps the tokens of a new sign-in in place of the last.

        :param tokens: what a token endpoint answers (RFC 6749 §5.1)
        :param dpop_jwk: the private key of P-256 that they are bound to, if they are
        """
        if not _are_tokens(tokens):
            raise ValueError("tokens need an access_token and expires_in")
        if str(tokens.get("token_type", "")).lower() == "dpop" and dpop_jwk is None:
            raise ValueError("tokens that are bound to a key need dpop_jwk")
        key = None if dpop_jwk is None else {name: dpop_jwk.get(name) for name in ("kty", "crv", "x", "y", "d")}
        if key is not None and (key["crv"] != "P-256" or None in key.values()):
            raise ValueError("dpop_jwk is no private key of P-256")
        self._put(_entry_of(tokens, self._now(), {"dpop_jwk": key}))

    def access_token(self, rejected: str | None = None) -> str:
        """An access token for the next request: the one in the file while it lasts, else a new one.

        In asyncio programs: ``await asyncio.to_thread(store.access_token)``.

        :param rejected: a token that a service refused: another one is returned
        """
        return str(self._current(rejected)["access_token"])

    def forget(self) -> None:
        """Removes the sign-in from the file. It does not end it at the API."""
        self._put({})

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """What httpx calls for each request."""
        rejected: str | None = None
        for _ in range(_ATTEMPTS):
            entry = self._current(rejected)
            token, key = str(entry["access_token"]), entry.get("dpop_jwk")
            request.headers["authorization"] = f"{'Bearer' if key is None else 'DPoP'} {token}"
            if key is not None:
                request.headers["dpop"] = self._proof(key, request.method, request.url, token)
            response = yield request
            is_news = self._learn(request.url, response)
            error = _error_in(response.headers.get("www-authenticate", ""))
            if response.status_code != 401:
                return
            if error == "invalid_token" and rejected is None:
                rejected = token
            elif not is_news or error not in ("use_dpop_nonce", "invalid_dpop_proof"):
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """What httpx calls for each request of an ``AsyncClient``: another thread waits for the file."""
        await request.aread()
        flow = self.auth_flow(request)
        following = await asyncio.to_thread(next, flow, None)
        while following is not None:
            response = yield following
            following = await asyncio.to_thread(_next_after, flow, response)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each use, which no fork and no thread shares. Errors get their code here."""
        try:
            folder = os.path.dirname(os.path.abspath(self._path))
            os.makedirs(folder, mode=0o700, exist_ok=True)
            # Only a new file is opened here: closing one ends the locks that this process has on it (POSIX).
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            file, folder_of_file = os.stat(self._path), os.stat(os.path.dirname(os.path.realpath(self._path)))
            # The administrator's folders are as good as one's own.
            is_own = {file.st_uid, folder_of_file.st_uid} <= {os.geteuid(), 0}
            if not is_own or file.st_mode & 0o077 or folder_of_file.st_mode & 0o022:
                raise self._failure("store_exposed")
            with closing(sqlite3.connect(self._path, timeout=self._lock_timeout, isolation_level=None)) as db:
                yield db
        except (sqlite3.Error, OSError) as err:
            # Before Python 3.11 an error of SQLite has no number. Both errors of a damaged file are of no subclass.
            is_busy = isinstance(err, sqlite3.OperationalError) and "locked" in str(err)
            is_damaged = type(err) is sqlite3.DatabaseError
            code: CredentialCode = "store_busy" if is_busy else "store_damaged" if is_damaged else "store_unavailable"
            raise self._failure(code) from err

    def _entry_in(self, db: sqlite3.Connection) -> _Entry:
        # In this order: both change at once, when another process makes the file.
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (format_id,) = db.execute("PRAGMA application_id").fetchone()
        if tables == 0 and format_id == 0:
            return {}
        if format_id != _FORMAT:
            raise self._failure("store_damaged")
        row = db.execute("SELECT entry FROM credentials WHERE name = ?", (self._name,)).fetchone()
        # An error of the parser has the whole text, which is secret.
        with suppress(ValueError):
            entry: _Entry = {} if row is None else json.loads(row[0])
            return entry
        raise self._failure("store_damaged")

    def _write(self, db: sqlite3.Connection, entry: _Entry) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS credentials (name TEXT PRIMARY KEY, entry TEXT NOT NULL)")
        db.execute(f"PRAGMA application_id = {_FORMAT}")
        text = json.dumps({name: value for name, value in entry.items() if value is not None})
        db.execute("REPLACE INTO credentials (name, entry) VALUES (?, ?)", (self._name, text))

    @contextmanager
    def _locked(self, seconds: float) -> Iterator[tuple[sqlite3.Connection, _Entry] | None]:
        """Lets no other process or thread write meanwhile. The kernel ends the lock with the process that has it.

        Commits at the end; what was written is undone by an exception. None if another one still has the lock after so
        many seconds.
        """
        with self._opened() as db:
            # Replaced tokens are overwritten by zeros in the file, though not in its former journal; new ones survive a
            # loss of power.
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA synchronous = EXTRA")
            db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as err:
                if "locked" not in str(err):
                    raise
                yield None
                return
            db.execute(f"PRAGMA busy_timeout = {int(self._lock_timeout * 1000)}")
            yield db, self._entry_in(db)
            db.execute("COMMIT")

    def _put(self, entry: _Entry) -> None:
        with self._locked(self._lock_timeout) as held:
            if held is None:
                raise self._failure("store_busy")
            self._write(held[0], entry)

    def _failure(self, code: CredentialCode, reason: str | None = None) -> CredentialError:
        return CredentialError(self._path, code, reason)

    def _state_of(self, entry: _Entry, rejected: str | None) -> Literal["fresh", "usable", "expired"]:
        """``usable`` tokens are replaced if that is possible at once. Raises where the API cannot be asked."""
        at, token = self._now(), entry.get("access_token")
        since, until = entry.get("obtained_at", 0), entry.get("expires_at", 0)
        # A token of the future: the clock was set back, and says nothing about its end.
        is_usable = token is not None and token != rejected and until > at and since <= at + _CLOCK_SECONDS
        is_paused = at < entry.get("retry_at", 0) <= at + _PAUSE_SECONDS
        if is_paused or entry.get("refresh_token") is None:
            if is_usable:
                return "fresh"
            if is_paused:
                raise self._failure("server_unavailable")
            raise self._failure("sign_in_required", entry.get("ended"))
        if not is_usable:
            return "expired"
        return "fresh" if until - at > min(_EARLY_SECONDS, (until - since) / 4) else "usable"

    def _current(self, rejected: str | None) -> _Entry:
        with self._opened() as db:
            seen = self._entry_in(db)
        state = self._state_of(seen, rejected)
        if state == "fresh":
            return seen
        failure: CredentialError | None = None
        with self._locked(0 if state == "usable" else self._lock_timeout) as held:
            if held is None:
                if state == "usable":
                    return seen
                raise self._failure("store_busy")
            db, entry = held
            state = self._state_of(entry, rejected)
            if state != "fresh":
                # A file that cannot be written fails here, before the API is asked. Until the commit it keeps what it
                # had.
                self._write(db, entry)
                entry, failure = self._refresh(entry, state == "usable")
                self._write(db, entry)
        if failure is not None and (state != "usable" or failure.code == "sign_in_required"):
            raise failure
        return entry

    def _refresh(self, entry: _Entry, is_usable: bool) -> tuple[_Entry, CredentialError | None]:
        """Asks for new tokens: once if the present one is usable, again with a nonce or clock that the API named."""
        last = 1 if is_usable else _ATTEMPTS
        for attempt in count(1):
            wait = _FIRST_WAIT * 2**attempt * (0.5 + random.random() / 2)
            failure = self._failure("server_unavailable")
            asked_at = self._now()
            try:
                response, content = self._post(entry)
                is_news = self._learn(httpx.URL(self._endpoint), response)
                # Of a proxy, and so worth another attempt, if it is not JSON.
                body = json.loads(content)
                error = body.get("error")
                code = body.get("code", error)
                if response.status_code == 200 and _are_tokens(body):
                    return _entry_of(body, asked_at, entry), None
                if error == "invalid_grant":
                    return {"ended": code}, self._failure("sign_in_required", code)
                if is_news and error in ("use_dpop_nonce", "invalid_dpop_proof"):
                    # No failure: it has another attempt in its place, once for a nonce and once for a clock.
                    last, wait = min(last + 1, _ATTEMPTS + 2), 0
                elif error is not None and response.status_code < 500 and response.status_code != 429:
                    last, failure = attempt, self._failure("refresh_refused", code)
                else:
                    wait = _seconds_in(response.headers.get("retry-after", ""), wait)
            except (httpx.HTTPError, ValueError, AttributeError) as err:
                # An error of the parser has the whole answer, which may hold tokens.
                failure.__cause__ = err if isinstance(err, httpx.HTTPError) else None
            if attempt >= last or wait > _LONGEST_WAIT:
                break
            self._sleep(wait)
        return {**entry, "retry_at": self._now() + _PAUSE_SECONDS}, failure

    def _post(self, entry: _Entry) -> tuple[httpx.Response, bytes]:
        """The answer of the token endpoint. Raises httpx.HTTPError."""
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": _USER_AGENT}
        if entry.get("dpop_jwk") is not None:
            headers["dpop"] = self._proof(entry["dpop_jwk"], "POST", httpx.URL(self._endpoint))
        form = {"grant_type": "refresh_token", "refresh_token": entry["refresh_token"], **self._client}
        ends = time.monotonic() + self._timeout
        with (
            httpx.Client(transport=self._transport, timeout=self._timeout, follow_redirects=False) as client,
            client.stream("POST", self._endpoint, headers=headers, data=form) as response,
        ):
            content = b""
            for part in response.iter_bytes():
                content += part
                if len(content) > _ANSWER_BYTES or time.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer is too long, or takes too long")
            return response, content

    def _learn(self, url: httpx.URL, response: httpx.Response) -> bool:
        """Keeps what an answer says of nonce and clock. Whether the next proof differs by it."""
        origin = _origin_of(url)
        known_nonce, known_ahead = self._servers.get(origin, (None, 0.0))
        try:
            ahead = parsedate_to_datetime(response.headers.get("date", "")).timestamp() - self._now()
        except ValueError:
            ahead = known_ahead
        ahead = ahead if abs(ahead) > _CLOCK_SECONDS else 0
        nonce = response.headers.get("dpop-nonce", known_nonce)
        self._servers[origin] = (nonce, ahead)
        return nonce != known_nonce or abs(ahead - known_ahead) > _CLOCK_SECONDS

    def _proof(self, key: dict[str, str], method: str, url: httpx.URL, access_token: str | None = None) -> str:
        """RFC 9449 §4.2."""
        nonce, ahead = self._servers.get(_origin_of(url), (None, 0.0))
        claims: dict[str, Any] = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": _origin_of(url) + url.raw_path.decode().partition("?")[0],
            "iat": int(self._now() + ahead),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            claims["ath"] = sha256(access_token.encode())
        public = {name: key[name] for name in ("kty", "crv", "x", "y")}
        headers = {"typ": "dpop+jwt", "jwk": public}
        return jwt.encode(claims, jwt.PyJWK(key, "ES256").key, algorithm="ES256", headers=headers)


def _next_after(flow: Generator[httpx.Request, httpx.Response, None], response: httpx.Response) -> httpx.Request | None:
    """None at the end: a thread cannot raise StopIteration."""
    try:
        return flow.send(response)
    except StopIteration:
        return None


def _origin_of(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"

"""Options of a verifier, and their checks."""

import base64
import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict
from urllib.parse import quote_plus, urlsplit

import httpx

from ._contract import BOUNDS, DEFAULTS, SHORTEST_SECRET_BYTES
from ._keys import ASYMMETRIC


@dataclass(frozen=True, slots=True)
class VerifierEvent:
    """What the verifier reports for logs and metrics. ``error`` never contains a token or a secret."""

    type: Literal["keys_loaded", "keys_failed", "feed_read", "feed_failed", "introspection_failed"]
    #: Keys in memory, of ``keys_loaded``.
    keys: int | None = None
    #: Epoch of the feed and live revocations in memory, of ``feed_read``.
    epoch: int | None = None
    entries: int | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class LegacyIssuer:
    """The provider that Sallyport replaces (LEGACY_ISSUER and what belongs to it)."""

    #: Its ``iss``.
    issuer: str
    #: Its key set. It must be https, except on loopback.
    jwks_uri: str
    #: The ``aud`` of its tokens for this service.
    audience: str
    #: Until when its tokens are accepted, with a time zone, as LEGACY_BRIDGE_UNTIL.
    until: datetime


class _Required(TypedDict):
    issuer: str


class VerifierOptions(_Required, total=False):
    """Options of a verifier. Times are in seconds. The README has a table of meanings and defaults."""

    audience: str | None
    url: str | None
    allow_http: bool
    algorithms: Sequence[Literal["RS256", "ES256", "EdDSA", "HS256"]]
    secret: str | Sequence[str] | None
    clock_skew: float
    jwks_ttl: float
    jwks_cooldown: float
    max_stale: float
    feed: Literal["off", "poll", "sse", "file"]
    feed_interval: float
    feed_file: str | None
    client_id: str | None
    client_secret: str | None
    on_stale: Literal["fail", "serve", "introspect"]
    required_scopes: Sequence[str]
    timeout: float
    cache_size: int
    #: Accepts access tokens of the old provider too, until a day, with ``issuer_kind`` in the result.
    legacy: LegacyIssuer | None
    #: Called when keys or revocations were read, or could not be.
    on_event: Callable[[VerifierEvent], None] | None
    #: Replaces the network, for proxies and tests.
    transport: httpx.AsyncBaseTransport | None
    #: Replaces the clock: Unix seconds. For tests.
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options with defaults, checked."""

    issuer: str
    audience: str
    #: Base URL of the API, without a slash at its end.
    api: str
    algorithms: frozenset[str]
    secrets: tuple[bytes, ...]
    clock_skew: float
    jwks_ttl: float
    jwks_cooldown: float
    max_stale: float
    feed: str
    feed_interval: float
    feed_file: str
    #: Headers of requests to the API; empty without a client.
    authorization: dict[str, str]
    on_stale: str
    required_scopes: tuple[str, ...]
    timeout: float
    cache_size: int
    legacy: LegacyIssuer | None
    on_event: Callable[[VerifierEvent], None]
    #: Takes a line of the log.
    log: Callable[[str], None]
    transport: httpx.AsyncBaseTransport | None
    now: Callable[[], float]


_CHOICES = {"feed": ("off", "poll", "sse", "file"), "on_stale": ("fail", "serve", "introspect")}
_NAMES = VerifierOptions.__required_keys__ | VerifierOptions.__optional_keys__


def _wrong(message: str) -> ValueError:
    return ValueError(f"sallyport-verifier: {message}")


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(text, str) and text for text in value)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def _api_of(options: Mapping[str, Any]) -> str:
    url = options.get("url", options["issuer"])
    try:
        parsed = urlsplit(url)
        host = parsed.hostname
        _ = parsed.port
    except (ValueError, TypeError, AttributeError):
        host = None
    if not host:
        raise _wrong("issuer is not a URL; set url to the base URL of the API")
    if parsed.scheme not in ("https", "http"):
        raise _wrong(f"url must be https, not {parsed.scheme}")
    if parsed.scheme == "http" and not options["allow_http"] and not _is_loopback(host):
        raise _wrong("url must be https; set allow_http on a trusted network")
    if parsed.username is not None or parsed.password is not None:
        raise _wrong("url must not contain credentials")
    if "?" in url or "#" in url:
        raise _wrong("url must not contain a query or a fragment")
    return str(url).rstrip("/")


def _legacy_of(options: Mapping[str, Any]) -> LegacyIssuer | None:
    legacy = options.get("legacy")
    if legacy is None:
        return None
    if not isinstance(legacy, LegacyIssuer):
        raise _wrong("legacy must be a LegacyIssuer")
    if not _is_texts([legacy.issuer, legacy.jwks_uri, legacy.audience]):
        raise _wrong("legacy needs issuer, jwks_uri and audience")
    if legacy.issuer == options["issuer"]:
        raise _wrong("legacy.issuer must be another issuer")
    try:
        parsed = urlsplit(legacy.jwks_uri)
        host = parsed.hostname or ""
        _ = parsed.port
    except ValueError:
        raise _wrong("legacy.jwks_uri must be an https URL") from None
    is_safe = parsed.scheme == "https" or (parsed.scheme == "http" and (options["allow_http"] or _is_loopback(host)))
    if not host or not is_safe or "@" in parsed.netloc:
        raise _wrong("legacy.jwks_uri must be an https URL")
    if not isinstance(legacy.until, datetime) or legacy.until.tzinfo is None:
        raise _wrong("legacy.until must be a datetime with a time zone")
    return legacy


def _secrets_of(secret: str | Sequence[str], algorithms: Sequence[str]) -> tuple[bytes, ...]:
    given = (secret,) if isinstance(secret, str) else tuple(secret)
    is_asked = "HS256" in algorithms
    if is_asked and not given:
        raise _wrong("HS256 needs secret")
    if not is_asked and given:
        raise _wrong("secret is used only with HS256: name 'HS256' in algorithms")
    secrets = tuple(text.encode() for text in given)
    if any(len(each) < SHORTEST_SECRET_BYTES for each in secrets):
        raise _wrong(f"secret must have at least {SHORTEST_SECRET_BYTES} bytes")
    return secrets


def _authorization_of(client_id: str | None, client_secret: str | None) -> dict[str, str]:
    if client_id is None or client_secret is None:
        return {}
    # RFC 6749 §2.3.1: form encoding, then Basic.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _check_values(options: Mapping[str, Any]) -> None:
    if not isinstance(options["issuer"], str) or options["issuer"] == "":
        raise _wrong("issuer is required")
    audience = options.get("audience", "-")
    if not isinstance(audience, str) or audience == "":
        raise _wrong("audience must be a text, or be left out")
    if not isinstance(options["allow_http"], bool):
        raise _wrong("allow_http must be True or False")
    if not _is_texts(options["required_scopes"]):
        raise _wrong("required_scopes must be a list of texts")
    for name, (least, most) in BOUNDS.items():
        value = options[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise _wrong(f"{name} must be a number from {least} to {most}")
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            raise _wrong(f"{name} must be one of {', '.join(choices)}")
    algorithms = options["algorithms"]
    if not _is_texts(algorithms) or not algorithms or not {*ASYMMETRIC, "HS256"}.issuperset(algorithms):
        raise _wrong(f"algorithms must be some of {', '.join(ASYMMETRIC)}, HS256")


def _reporter_of(listener: Callable[[VerifierEvent], None] | None) -> Callable[[VerifierEvent], None]:
    def report(event: VerifierEvent) -> None:
        # An error of the listener must not stop the verifier.
        with contextlib.suppress(Exception):
            if listener is not None:
                listener(event)

    return report


def settings_of(options: Mapping[str, Any]) -> Settings:
    """The options with defaults.

    Raises TypeError for options that are unknown or missing, ValueError for values that are wrong or contradict each
    other.
    """
    unknown = sorted(set(options) - _NAMES)
    if unknown:
        raise TypeError(f"sallyport-verifier: there is no option {', '.join(unknown)}")
    if "issuer" not in options:
        raise TypeError("sallyport-verifier: issuer is required")
    given = {name: value for name, value in options.items() if value is not None or name == "issuer"}
    every = {**DEFAULTS, **given}
    _check_values(every)
    feed, on_stale, algorithms = every["feed"], every["on_stale"], every["algorithms"]
    authorization = _authorization_of(every.get("client_id"), every.get("client_secret"))
    if feed in ("poll", "sse") and not authorization:
        raise _wrong(
            f"feed '{feed}' needs client_id and client_secret; feed 'off' accepts revoked tokens until they expire"
        )
    if feed == "file" and "feed_file" not in every:
        raise _wrong("feed 'file' needs feed_file")
    if on_stale == "introspect" and not authorization:
        raise _wrong("on_stale 'introspect' needs client_id and client_secret")
    return Settings(
        issuer=every["issuer"],
        audience=every.get("audience", every["issuer"]),
        api=_api_of(every),
        algorithms=frozenset(algorithms),
        secrets=_secrets_of(every.get("secret", ()), algorithms),
        clock_skew=every["clock_skew"],
        jwks_ttl=every["jwks_ttl"],
        jwks_cooldown=every["jwks_cooldown"],
        max_stale=every["max_stale"],
        feed=feed,
        feed_interval=every["feed_interval"],
        feed_file=str(every.get("feed_file", "")),
        authorization=authorization,
        on_stale=on_stale,
        required_scopes=tuple(every["required_scopes"]),
        timeout=every["timeout"],
        cache_size=int(every["cache_size"]),
        legacy=_legacy_of(every),
        on_event=_reporter_of(every.get("on_event")),
        log=logging.getLogger("sallyport_verifier").warning,
        transport=every.get("transport"),
        now=every.get("now", time.time),
    )

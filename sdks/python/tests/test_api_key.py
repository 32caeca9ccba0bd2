"""API keys are verified by asking the API about each."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sallyport_verifier import ApiKeyVerifier, AsyncApiKeyVerifier, VerifierError
from sallyport_verifier.testing import FakeIssuer

from .conftest import Changed

PATH = "/v1/api-keys/verify"
Make = Callable[..., ApiKeyVerifier]


@pytest.fixture
def make_keys(fake_issuer: FakeIssuer) -> Iterator[Make]:
    """Makes verifiers of API keys, and closes them."""
    made: list[ApiKeyVerifier] = []

    def make_one(**changes: Any) -> ApiKeyVerifier:
        options: dict[str, Any] = {"issuer": "https://auth.test/", "transport": fake_issuer, **changes}
        made.append(ApiKeyVerifier(**options))
        return made[-1]

    yield make_one
    for keys in made:
        keys.close()


def code_of(keys: ApiKeyVerifier, key: str, *permissions: str) -> tuple[int, str]:
    with pytest.raises(VerifierError) as raised:
        keys.verify(key, permissions)
    return raised.value.status, raised.value.code


def test_an_active_key_gives_its_owner_and_the_api_is_asked_each_time(fake_issuer: FakeIssuer, make_keys: Make) -> None:
    key = fake_issuer.create_api_key(sub="ada", permissions=["notes:read"])
    keys = make_keys()
    accepted = keys.verify(key, ["notes:read"])
    assert (accepted.sub, accepted.permissions) == ("ada", frozenset({"notes:read"}))
    assert accepted.claims["aud"] == ["https://api.test"]
    fake_issuer.revoke_api_key(key)
    assert code_of(keys, key) == (401, "unauthenticated")
    assert fake_issuer.requests[PATH] == 2


def test_the_audience_goes_with_the_key_and_the_url_may_differ_from_the_issuer(
    fake_issuer: FakeIssuer, make_keys: Make
) -> None:
    asked: list[tuple[str, Any]] = []

    async def note(request: httpx.Request) -> None:
        asked.append((str(request.url), json.loads(await request.aread())))

    key = fake_issuer.create_api_key()
    transport = Changed(fake_issuer, note)
    make_keys(transport=transport).verify(key)
    inside = {"url": "http://sallyport.internal", "allow_http": True}
    make_keys(transport=transport, audience="https://api.test", **inside).verify(key)
    other = make_keys(transport=transport, audience="https://other.test", **inside)
    assert code_of(other, key) == (401, "unauthenticated")
    assert asked[:2] == [
        (f"https://auth.test{PATH}", {"key": key}),
        (f"http://sallyport.internal{PATH}", {"key": key, "audience": "https://api.test"}),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": ""}, "issuer is required"),
        ({"issuer": "auth"}, "issuer is not a URL"),
        ({"url": "http://auth.test"}, "url must be https"),
        ({"url": "https://a:b@auth.test"}, "credentials"),
        ({"audience": ""}, "audience"),
        ({"timeout": 0}, "timeout must be"),
    ],
)
def test_wrong_options_are_refused_and_keys_are_not_sent_without_tls(
    changes: dict[str, Any], message: str, make_keys: Make
) -> None:
    with pytest.raises(ValueError, match=message):
        make_keys(**changes)
    make_keys(url="http://127.0.0.1:3000")


def test_a_key_without_the_permission_is_403(fake_issuer: FakeIssuer, make_keys: Make) -> None:
    key = fake_issuer.create_api_key(permissions=["notes:read"])
    assert code_of(make_keys(), key, "notes:read", "notes:write") == (403, "permission_missing")


def test_an_expired_or_impossible_key_is_401_and_no_impossible_key_is_sent(
    fake_issuer: FakeIssuer, make_keys: Make
) -> None:
    keys, key = make_keys(), fake_issuer.create_api_key()
    for impossible in ("", "x" * 513, "\N{KEY}" * 129):
        assert code_of(keys, impossible) == (401, "unauthenticated")
    assert fake_issuer.requests[PATH] == 0
    for unknown in ("sp_ak_x", "\ud83d", 'a"\n'):
        assert code_of(keys, unknown) == (401, "unauthenticated")
    fake_issuer.advance(901)
    assert code_of(keys, key) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "answer",
    [
        {"active": True},
        {"active": "true", "claims": {"sub": "ada", "permissions": []}},
        {"active": True, "claims": {"permissions": []}},
        {"active": True, "claims": {"sub": "ada", "permissions": "notes:read"}},
        {"active": True, "claims": {"sub": "ada", "permissions": [[]]}},
    ],
)
def test_claims_that_are_not_formed_are_401(answer: Any, fake_issuer: FakeIssuer, make_keys: Make) -> None:
    async def replace(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer)

    keys = make_keys(transport=Changed(fake_issuer, replace))
    assert code_of(keys, "sp_ak_x") == (401, "unauthenticated")


@pytest.mark.parametrize("text", ["<html>", "null", '{"active":true,"active":false}', "x" * 70_000])
def test_an_answer_that_is_none_is_503(text: str, fake_issuer: FakeIssuer, make_keys: Make) -> None:
    async def replace(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=text)

    keys = make_keys(transport=Changed(fake_issuer, replace))
    assert code_of(keys, "sp_ak_x") == (503, "revocation_state_stale")


def test_without_an_answer_in_time_the_answer_is_503_and_never_a_pass(fake_issuer: FakeIssuer, make_keys: Make) -> None:
    key = fake_issuer.create_api_key()
    stale = (503, "revocation_state_stale")

    async def wait(_: httpx.Request) -> None:
        await asyncio.sleep(60)

    async def limit(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429)

    for handler in (wait, limit):
        keys = make_keys(transport=Changed(fake_issuer, handler), timeout=0.05)
        assert code_of(keys, key) == stale
    keys = make_keys()
    fake_issuer.go_stale()
    assert code_of(keys, key) == stale
    fake_issuer.recover()
    assert keys.verify(key).sub == "user-1"
    keys.close()
    assert code_of(keys, key) == stale


def test_asyncio_programs_have_the_same(fake_issuer: FakeIssuer) -> None:
    key = fake_issuer.create_api_key(permissions=["notes:read"])

    async def main() -> None:
        keys = AsyncApiKeyVerifier(issuer="https://auth.test", audience="https://api.test", transport=fake_issuer)
        assert (await keys.verify(key, ["notes:read"])).sub == "user-1"
        for wrong, code in (("sp_ak_x", "unauthenticated"), (key, "permission_missing")):
            with pytest.raises(VerifierError) as raised:
                await keys.verify(wrong, ["notes:write"])
            assert raised.value.code == code
        keys.close()
        with pytest.raises(VerifierError) as raised:
            await keys.verify(key)
        assert raised.value.code == "revocation_state_stale"

    asyncio.run(main())


def test_a_task_that_is_cancelled_while_it_waits_stays_cancelled(fake_issuer: FakeIssuer) -> None:
    async def wait(_: httpx.Request) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        keys = AsyncApiKeyVerifier(issuer="https://auth.test", transport=Changed(fake_issuer, wait))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(keys.verify("sp_ak_x"), 0.05)
        keys.close()

    asyncio.run(main())

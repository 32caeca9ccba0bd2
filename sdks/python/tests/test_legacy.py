"""Tokens of the old provider: every vector, in both verifiers, and what is read of its keys."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sallyport_verifier import AsyncVerifier, LegacyIssuer, Requirements, Verifier

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = json.loads((ROOT / "conformance/legacy-vectors.json").read_text())
LEGACY = LegacyIssuer(
    issuer=FILE["legacy"]["issuer"],
    jwks_uri=FILE["legacy"]["jwksUri"],
    audience=FILE["legacy"]["audience"],
    until=datetime.fromisoformat(FILE["legacy"]["until"].replace("Z", "+00:00")),
)
ACTIVE = FILE["vectors"][0]


class World(httpx.AsyncBaseTransport):
    """Both issuers of a vector, and its clock."""

    def __init__(self, vector: dict[str, Any], keys: str | None = None) -> None:
        self.now: float = vector["now"]
        self.keys = keys or vector["keys"]
        self.feed = vector["feed"]
        self.requests: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url).split("?")[0]
        self.requests[url] += 1
        if url == f"{FILE['issuer']}/.well-known/jwks.json":
            return httpx.Response(200, json=FILE["keySets"]["ours"])
        if url == f"{FILE['issuer']}/v1/revocations":
            return httpx.Response(200, text=FILE["feed"]["jws"])
        assert url == LEGACY.jwks_uri
        if self.keys == "unreachable":
            return httpx.Response(503)
        return httpx.Response(200, json=FILE["keySets"][self.keys])

    def options(self) -> dict[str, Any]:
        feed = {"client_id": "reader", "client_secret": "x"} if self.feed else {"feed": "off"}
        return {
            "issuer": FILE["issuer"],
            "audience": FILE["audience"],
            "legacy": LEGACY,
            "transport": self,
            "now": lambda: self.now,
            **feed,
        }


def requirements_of(vector: dict[str, Any]) -> Requirements:
    return Requirements(scopes=vector["scopes"], permissions=vector["permissions"])


def found_of(result: Any) -> tuple[str, str | None]:
    return result.code, result.issuer_kind if result.ok else None


def test_answers_the_code_of_every_vector_at_first_and_from_its_cache_marked() -> None:
    wrong: list[str] = []
    for vector in FILE["vectors"]:
        verifier = Verifier(**World(vector).options())
        for use in ("first", "second"):
            found = found_of(verifier.verify(vector["token"], requirements_of(vector)))
            if found != (vector["code"], vector["issuerKind"]):
                wrong.append(f"{vector['name']} ({use}): {found}, not {vector['code']} {vector['issuerKind']}")
        verifier.close()
    assert wrong == []
    assert len(FILE["vectors"]) > 45


def test_answers_the_code_of_every_vector_in_asyncio() -> None:
    async def verify_all() -> list[str]:
        wrong: list[str] = []
        for vector in FILE["vectors"]:
            verifier = AsyncVerifier(**World(vector).options())
            found = found_of(await verifier.verify(vector["token"], requirements_of(vector)))
            if found != (vector["code"], vector["issuerKind"]):
                wrong.append(f"{vector['name']}: {found}, not {vector['code']}")
            verifier.close()
        return wrong

    assert asyncio.run(verify_all()) == []


def test_roles_and_permissions_of_the_old_provider_are_left_out() -> None:
    vector = next(one for one in FILE["vectors"] if one["name"] == "claims of its own")
    verifier = Verifier(**World(vector).options())
    result = verifier.verify(vector["token"])
    verifier.close()
    assert result.ok and result.permissions == frozenset() and "roles" not in result.claims


def test_its_keys_are_read_once_and_for_unknown_kids_only_after_the_cooldown() -> None:
    world = World(ACTIVE)
    verifier = Verifier(**world.options())
    unknown = next(one for one in FILE["vectors"] if one["name"] == "a key that it does not publish")
    for _ in range(20):
        assert verifier.verify(ACTIVE["token"]).ok
    assert world.requests[LEGACY.jwks_uri] == 1
    for _ in range(20):
        verifier.verify(unknown["token"])
    assert world.requests[LEGACY.jwks_uri] == 2
    world.now += 11
    verifier.verify(unknown["token"])
    assert world.requests[LEGACY.jwks_uri] == 3
    verifier.close()


def test_keys_that_cannot_be_read_are_not_asked_for_by_every_request() -> None:
    world = World(ACTIVE, keys="unreachable")
    verifier = Verifier(**world.options())
    for _ in range(20):
        result = verifier.verify(ACTIVE["token"])
        assert not result.ok and (result.code, result.status) == ("key_ring_behind", 503)
    assert world.requests[LEGACY.jwks_uri] == 1
    verifier.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": ""}, "legacy needs issuer"),
        ({"issuer": FILE["issuer"]}, "another issuer"),
        ({"until": datetime(2027, 1, 31)}, "time zone"),
        ({"until": "2027-01-31"}, "time zone"),
        ({"jwks_uri": "http://old.example/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://a:b@old.example/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://old.example:x/jwks"}, "jwks_uri"),
        ({"jwks_uri": "jwks"}, "jwks_uri"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Verifier(issuer=FILE["issuer"], feed="off", legacy=replace(LEGACY, **changes))


def test_another_value_than_a_legacy_issuer_is_refused() -> None:
    wrong: Any = {"issuer": "x"}
    with pytest.raises(ValueError, match="LegacyIssuer"):
        Verifier(issuer=FILE["issuer"], feed="off", legacy=wrong)

"""Every conformance vector, in both verifiers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from sallyport_verifier import AsyncVerifier, Dpop, Requirements, Verifier

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = json.loads((ROOT / "conformance/vectors.json").read_text())
RENAMED = {
    "clockSkew": "clock_skew",
    "maxStale": "max_stale",
    "onStale": "on_stale",
    "requiredScopes": "required_scopes",
}


class Served(httpx.AsyncBaseTransport):
    """The key set of a vector, and each answer of its feed once."""

    def __init__(self, keys: str) -> None:
        self.keys = json.dumps(FILE["keySets"][keys])
        self.answer: str | None = None
        self.paths: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.add(str(request.url).split("?")[0])
        if request.url.path == "/.well-known/jwks.json":
            return httpx.Response(200, text=self.keys)
        body, self.answer = self.answer, None
        return httpx.Response(503) if body is None else httpx.Response(200, text=body)


class Clock:
    seconds = 0.0

    def now(self) -> float:
        return self.seconds


def options_of(vector: dict[str, Any], transport: Served, clock: Clock) -> dict[str, Any]:
    ignored = ("keys", "feed", "dpop", "certificate")
    given = {RENAMED.get(name, name): value for name, value in vector["options"].items() if name not in ignored}
    feed = {"client_id": "reader", "client_secret": "x"} if "feed" in vector["options"] else {"feed": "off"}
    return {
        "issuer": FILE["issuer"],
        "audience": FILE["audience"],
        "max_stale": 0,
        "transport": transport,
        "now": clock.now,
        **given,
        **feed,
    }


def requirements_of(vector: dict[str, Any]) -> Requirements:
    dpop = vector["options"].get("dpop")
    return Requirements(dpop=None if dpop is None else Dpop(**dpop), certificate=vector["options"].get("certificate"))


def position_of(verifier: Verifier | AsyncVerifier) -> tuple[int, str | None, int]:
    state = verifier.state()
    return state.epoch, state.incarnation, state.revocations


def test_answers_the_code_of_every_vector_at_first_and_from_its_cache() -> None:
    wrong: list[str] = []
    paths: set[str] = set()
    for vector in FILE["vectors"]:
        transport, clock = Served(vector["options"].get("keys", "stable")), Clock()
        verifier = Verifier(**options_of(vector, transport, clock))
        for step in FILE["feeds"].get(vector["options"].get("feed"), []):
            clock.seconds, transport.answer = step["at"], step["jws"]
            before = position_of(verifier)
            verifier.refresh()
            if not step["accepted"] and position_of(verifier) != before:
                wrong.append(f"{vector['name']}: took an answer")
        clock.seconds = vector["now"]
        for use in ("first", "second"):
            code = verifier.verify(vector["token"], requirements_of(vector)).code
            if code != vector["code"]:
                wrong.append(f"{vector['name']} ({use}): {code}, not {vector['code']}")
        paths |= transport.paths
        verifier.close()
    assert wrong == []
    # No header of a token leads a verifier elsewhere (jku, x5u).
    assert paths == {f"{FILE['issuer']}/.well-known/jwks.json", f"{FILE['issuer']}/v1/revocations"}
    assert len(FILE["vectors"]) > 250


def test_answers_the_code_of_every_vector_in_asyncio() -> None:
    async def verify_all() -> list[str]:
        wrong: list[str] = []
        for vector in FILE["vectors"]:
            transport, clock = Served(vector["options"].get("keys", "stable")), Clock()
            verifier = AsyncVerifier(**options_of(vector, transport, clock))
            for step in FILE["feeds"].get(vector["options"].get("feed"), []):
                clock.seconds, transport.answer = step["at"], step["jws"]
                await verifier.refresh()
            clock.seconds = vector["now"]
            code = (await verifier.verify(vector["token"], requirements_of(vector))).code
            if code != vector["code"]:
                wrong.append(f"{vector['name']}: {code}, not {vector['code']}")
            verifier.close()
        return wrong

    assert asyncio.run(verify_all()) == []


def test_answers_the_code_of_each_step_of_every_sequence() -> None:
    wrong: list[str] = []
    for sequence in FILE["sequences"]:
        transport, clock = Served(sequence["steps"][0]["keys"]), Clock()
        verifier = Verifier(
            issuer=FILE["issuer"], audience=FILE["audience"], feed="off", transport=transport, now=clock.now
        )
        for step in sequence["steps"]:
            clock.seconds, transport.keys = step["at"], json.dumps(FILE["keySets"][step["keys"]])
            code = verifier.verify(step["token"]).code
            if code != step["code"]:
                wrong.append(f"{sequence['name']}, at {step['at']}: {code}, not {step['code']}")
        verifier.close()
    assert wrong == []
    assert len(FILE["sequences"]) > 1

"""Process: raw PyJWT and sallyport-verifier on the same tokens. It answers the commands of verifier.ts."""

import gc
import json
import platform
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import jwt

from sallyport_verifier import Verifier, VerifierOptions

REPEATED_TOKENS = 1_000
REPEATS = 100
PAUSE_SECONDS = 0.005
LONGEST_REACH_SECONDS = 10


def body_of(issuer: str, path: str) -> Any:
    """The JSON that the issuer of the benchmark answers."""
    return httpx.get(f"{issuer}{path}", timeout=30).json()


def verifier_of(issuer: str) -> Verifier:
    """Reads revocations once, and does not let them grow stale."""
    options: VerifierOptions = {
        "issuer": issuer,
        "client_id": "a",
        "client_secret": "b",
        "feed_interval": 60,
        "max_stale": 86_400,
        "timeout": 60,
    }
    verifier = Verifier(**options)
    verifier.ready()
    return verifier


def timed(tokens: list[str], use: Callable[[str], None]) -> tuple[int, float, float]:
    """Works through the tokens: operations, seconds, CPU-seconds of all threads."""
    started, cpu_before = time.perf_counter(), time.process_time()
    for token in tokens:
        use(token)
    return len(tokens), time.perf_counter() - started, time.process_time() - cpu_before


def used_by(verifier: Verifier) -> Callable[[str], None]:
    """Verifies, and requires that the token is active."""

    def use(token: str) -> None:
        result = verifier.verify(token)
        if not result.ok:
            raise RuntimeError(f"the verifier answered {result.code}")

    return use


def pass_of(operation: str, issuer: str, tokens: list[str]) -> tuple[int, float, float]:
    """One pass over the tokens."""
    if operation == "raw":
        key = jwt.PyJWK(body_of(issuer, "/.well-known/jwks.json")["keys"][0]).key

        def decode(token: str) -> None:
            jwt.decode(token, key, algorithms=["RS256"], audience=issuer, issuer=issuer, leeway=5)

        return timed(tokens, decode)
    verifier = verifier_of(issuer)
    try:
        if operation == "fresh":
            return timed(tokens, used_by(verifier))
        known = tokens[:REPEATED_TOKENS]
        timed(known, used_by(verifier))
        return timed(known * REPEATS, used_by(verifier))
    finally:
        verifier.close()


def resident_bytes() -> int:
    """Memory of the process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 0 if found is None else int(found[1]) * 1_024


class Worker:
    """What the commands of one process share."""

    def __init__(self) -> None:
        """Follows nothing yet."""
        self._tokens: list[str] = []
        self._following: Verifier | None = None

    def speed(self, operation: str, issuer: str, seconds: float) -> dict[str, float]:
        """Passes until the time is up."""
        self._tokens = self._tokens or body_of(issuer, "/tokens")
        sums = (0, 0.0, 0.0)
        while sums[1] < seconds:
            one = pass_of(operation, issuer, self._tokens)
            sums = (sums[0] + one[0], sums[1] + one[1], sums[2] + one[2])
        return {"operations": sums[0], "seconds": sums[1], "cpuSeconds": sums[2]}

    def memory(self, operation: str, issuer: str) -> dict[str, int]:
        """What live revocations take, after a collection: of the heap, or of the memory of the process."""
        if operation == "memory":
            tracemalloc.start()

        def used() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0] if operation == "memory" else resident_bytes()

        before = used()
        verifier = verifier_of(issuer)
        taken = used() - before
        entries = verifier.state().revocations
        verifier.close()
        return {"entries": entries, "bytes": taken}

    def follow(self, issuer: str, client: tuple[str, str], feed: Any) -> dict[str, str]:
        """Begins to follow the running product."""
        self._following = Verifier(issuer=issuer, client_id=client[0], client_secret=client[1], feed=feed)
        self._following.ready()
        return {}

    def code_of(self, token: str) -> str:
        """The decision of the verifier that follows."""
        assert self._following is not None
        return self._following.verify(token).code

    def refusal_of(self, token: str) -> dict[str, Any]:
        """Verifies the token until it is refused."""
        started, verifications = time.monotonic(), 0
        while True:
            verifications += 1
            code = self.code_of(token)
            if code != "active":
                return {"code": code, "verifications": verifications}
            if time.monotonic() - started > LONGEST_REACH_SECONDS:
                raise RuntimeError("a revocation never reached the verifier")
            time.sleep(PAUSE_SECONDS)

    def state(self) -> dict[str, Any]:
        """How fresh the verifier that follows is."""
        assert self._following is not None
        state = self._following.state()
        return {"epoch": state.epoch, "incarnation": state.incarnation, "fresh": state.fresh}

    def result_of(self, command: dict[str, Any]) -> dict[str, Any]:
        """Does what a command says."""
        operation = command["operation"]
        if operation == "versions":
            packages = {name: version(name) for name in ("PyJWT", "cryptography")}
            return {"python": platform.python_version(), **packages}
        if operation in ("memory", "resident"):
            return self.memory(operation, command["issuer"])
        if operation == "follow":
            return self.follow(command["issuer"], (command["clientId"], command["clientSecret"]), command["feed"])
        if operation == "verify":
            return {"code": self.code_of(command["token"])}
        if operation == "refused":
            return self.refusal_of(command["token"])
        if operation == "state":
            return self.state()
        return self.speed(operation, command["issuer"], command["seconds"])


def main() -> None:
    """Answers commands until the input ends."""
    worker = Worker()
    for line in sys.stdin:
        command = json.loads(line)
        reply: dict[str, Any] = {"id": command["id"]}
        try:
            reply["result"] = worker.result_of(command)
        except Exception as err:
            reply["error"] = f"{type(err).__name__}: {err}"
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()

"""Every conformance vector that needs no proof of possession, sent to the service."""

import asyncio
import importlib.util
import re
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sallyport_verifier import AsyncVerifier
from sallyport_verifier.fastapi import protect

from tasks_api.app import create_app
from tasks_api.settings import read_settings

ROOT = Path(__file__).parents[3]
#: RFC 6750 §2.1: anything else is no token.
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
NO_STORE = {"CLIENT_ID": "tasks", "CLIENT_SECRET": "secret", "DATABASE_URL": "postgresql://127.0.0.1:1/none"}


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("package_vectors", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_service_answers_the_code_of_every_vector() -> None:
    package = module_of(ROOT / "sdks/python/tests/test_vectors.py")
    app = create_app(read_settings(NO_STORE))
    client = TestClient(app)
    wrong: list[str] = []
    sent = 0
    for vector in package.FILE["vectors"]:
        token, options = vector["token"], vector["options"]
        if "dpop" in options or "certificate" in options or token != token.strip():
            continue
        transport, clock = package.Served(options.get("keys", "stable")), package.Clock()
        verifier = AsyncVerifier(**package.options_of(vector, transport, clock))
        for step in package.FILE["feeds"].get(options.get("feed"), []):
            clock.seconds, transport.answer = step["at"], step["jws"]
            asyncio.run(verifier.refresh())
        clock.seconds = vector["now"]
        protect(app, verifier)
        # An accepted token gets no further than the path of another user.
        headers = {"authorization": f"Bearer {token}".encode()}
        code = client.get("/api/other/tasks", headers=headers).json()["code"]
        refusal = vector["code"] if B64TOKEN.fullmatch(token) else "request_invalid"
        expected = "user_mismatch" if refusal == "active" else refusal
        if code != expected:
            wrong.append(f"{vector['name']}: {code}, not {expected}")
        verifier.close()
        sent += 1
    assert wrong == []
    assert sent > 500

"""Every conformance vector, sent to the service."""

import asyncio
import base64
import hashlib
import importlib.util
import re
import ssl
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sallyport_verifier import AsyncVerifier
from sallyport_verifier.fastapi import protect
from starlette.types import ASGIApp, Receive, Scope, Send

from tasks_api.app import create_app
from tasks_api.settings import read_settings

ROOT = Path(__file__).parents[3]
#: RFC 6750 §2.1: anything else is no token.
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
NO_STORE = {"CLIENT_ID": "tasks", "CLIENT_SECRET": "secret", "DATABASE_URL": "postgresql://127.0.0.1:1/none"}


#: What the vectors have in place of certificates (conformance/README.md), by thumbprint.
CERTIFICATES = {
    base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode(): ssl.DER_cert_to_PEM_cert(text)
    for text in (b"the client certificate of the vectors", b"another")
}


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("package_vectors", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OverTLS:
    """Requests come with this client certificate (the ASGI extension ``tls``)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.certificate: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.certificate is not None:
            scope["extensions"] = {"tls": {"client_cert_chain": [CERTIFICATES[self.certificate]]}}
        await self.app(scope, receive, send)


def can_be_sent(vector: dict[str, Any]) -> bool:
    """White space at an end is no part of a header, and the thumbprint of a key is not that of a certificate."""
    certificate = vector["options"].get("certificate")
    return vector["token"] == vector["token"].strip() and (certificate is None or certificate in CERTIFICATES)


def test_the_service_answers_the_code_of_every_vector() -> None:
    package = module_of(ROOT / "sdks/python/tests/test_vectors.py")
    app = create_app(read_settings(NO_STORE))
    over_tls = OverTLS(app)
    client = TestClient(over_tls)
    wrong: list[str] = []
    vectors = list(filter(can_be_sent, package.FILE["vectors"]))
    for vector in vectors:
        token, options = vector["token"], vector["options"]
        transport, clock = package.Served(options.get("keys", "stable")), package.Clock()
        verifier = AsyncVerifier(**package.options_of(vector, transport, clock))
        for step in package.FILE["feeds"].get(options.get("feed"), []):
            clock.seconds, transport.answer = step["at"], step["jws"]
            asyncio.run(verifier.refresh())
        clock.seconds = vector["now"]
        protect(app, verifier)
        over_tls.certificate = options.get("certificate")
        dpop = options.get("dpop", {"method": "GET", "url": "/api/other/tasks"})
        headers = {"authorization": f"{'DPoP' if 'dpop' in options else 'Bearer'} {token}".encode()}
        if "proof" in dpop:
            headers["dpop"] = dpop["proof"].encode()
        # An accepted token gets no further than the path of another user.
        code = client.request(dpop["method"], dpop["url"], headers=headers).json()["code"]
        refusal = vector["code"] if B64TOKEN.fullmatch(token) else "request_invalid"
        expected = "user_mismatch" if refusal == "active" else refusal
        if code != expected:
            wrong.append(f"{vector['name']}: {code}, not {expected}")
        verifier.close()
    assert wrong == []
    assert len(vectors) > 600

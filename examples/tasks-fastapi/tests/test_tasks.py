"""Tests without a Sallyport: tokens come from the fake issuer of the package. DATABASE_URL names a PostgreSQL."""

import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sallyport_verifier import AsyncVerifier
from sallyport_verifier.testing import FakeIssuer

from tasks_api.app import create_app
from tasks_api.settings import read_settings

ROUTES = [
    ("GET", "/api/ada/tasks"),
    ("POST", "/api/ada/tasks"),
    ("PUT", "/api/ada/tasks/11111111-2222-4333-8444-555555555555"),
    ("DELETE", "/api/ada/tasks/11111111-2222-4333-8444-555555555555"),
]
CLIENT = {"CLIENT_ID": "tasks", "CLIENT_SECRET": "secret", "DATABASE_URL": os.environ["DATABASE_URL"]}


@pytest.fixture
def client(fake_issuer: FakeIssuer) -> Iterator[TestClient]:
    with TestClient(create_app(read_settings(CLIENT), AsyncVerifier(**fake_issuer.options))) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def until_refused(client: TestClient, token: str) -> None:
    deadline = time.monotonic() + 30
    while client.get("/api/ada/tasks", headers=bearer(token)).status_code != HTTPStatus.UNAUTHORIZED:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_refuses_every_token_that_is_not_valid_for_it(
    client: TestClient, fake_issuer: FakeIssuer, method: str, path: str
) -> None:
    revoked = fake_issuer.mint(sub="ada")
    fake_issuer.revoke(revoked)
    forged = FakeIssuer().mint(sub="ada")
    refused = {
        "unauthenticated": None,
        "malformed": "a.b.c",
        "unknown_key": forged,
        "expired": fake_issuer.mint(sub="ada", exp=1),
        "wrong_audience": fake_issuer.mint(sub="ada", aud="https://other.example"),
        "revoked": revoked,
    }
    # The verifier learns a revocation with the next answer of the feed.
    until_refused(client, revoked)
    for code, token in refused.items():
        answer = client.request(method, path, headers={} if token is None else bearer(token), content=b"{")
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    other = client.request(method, path, headers=bearer(fake_issuer.mint(sub="eve")), content=b"{")
    assert (other.status_code, other.json()["code"]) == (403, "user_mismatch")


def test_a_valid_token_reaches_each_route_also_after_a_rotation(client: TestClient, fake_issuer: FakeIssuer) -> None:
    created = client.post("/api/ada/tasks", headers=bearer(fake_issuer.mint(sub="ada")), json={"title": "write"})
    assert created.status_code == 201
    fake_issuer.rotate()
    fake_issuer.advance(10)
    headers = bearer(fake_issuer.mint(sub="ada"))
    path = f"/api/ada/tasks/{created.json()['id']}"
    assert client.get("/api/ada/tasks", headers=headers).json()[-1]["title"] == "write"
    assert client.put(path, headers=headers, json={"completed": True}).json()["completed"] is True
    assert client.delete(path, headers=headers).status_code == 204


def test_with_a_shared_secret_only_tokens_of_that_secret_are_accepted() -> None:
    secret = "a shared secret of at least 32 bytes"
    settings = read_settings({**CLIENT, "JWT_SECRET": secret})
    issuer = FakeIssuer(algorithm="HS256", secret=secret)
    options = issuer.options
    options["algorithms"] = settings.verifier["algorithms"]
    options["secret"] = settings.verifier["secret"]
    with TestClient(create_app(settings, AsyncVerifier(**options))) as client:
        assert client.get("/api/ada/tasks", headers=bearer(issuer.mint(sub="ada"))).status_code == 200
        for other in (FakeIssuer(algorithm="HS256", secret="another secret of at least 32 bytes"), FakeIssuer()):
            assert client.get("/api/ada/tasks", headers=bearer(other.mint(sub="ada"))).status_code == 401


def test_with_a_public_url_a_proof_for_another_service_is_refused_whatever_the_host(fake_issuer: FakeIssuer) -> None:
    settings = read_settings({**CLIENT, "PUBLIC_URL": "https://tasks.example"})
    proving = fake_issuer.new_dpop_client()
    token = fake_issuer.mint(sub="ada", cnf={"jkt": proving.jkt})
    with TestClient(create_app(settings, AsyncVerifier(**fake_issuer.options))) as client:
        expected = {"http://attacker.example": "binding_mismatch", "https://tasks.example": "user_mismatch"}
        for origin, code in expected.items():
            proof = proving.proof("GET", f"{origin}/api/eve/tasks", token)
            headers = {"host": "attacker.example", "authorization": f"DPoP {token}", "dpop": proof}
            assert client.get("/api/eve/tasks", headers=headers).json()["code"] == code


def test_settings_name_what_is_missing_and_read_secrets_from_files(tmp_path: Path) -> None:
    file = tmp_path / "client_secret"
    file.write_text("from a file\n")
    assert read_settings({**CLIENT, "CLIENT_SECRET_FILE": str(file)}).verifier["client_secret"] == "from a file"
    with pytest.raises(ValueError, match="CLIENT_ID is not set"):
        read_settings({"DATABASE_URL": "x"})

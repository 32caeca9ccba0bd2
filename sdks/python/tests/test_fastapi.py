"""The responses of protected routes."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from sallyport_verifier import CODES, AsyncVerifier
from sallyport_verifier.fastapi import User, get_current_user, protect, require
from sallyport_verifier.testing import FakeIssuer

ORIGIN = "https://tasks.example"


@pytest.fixture
def client(fake_issuer: FakeIssuer) -> Iterator[TestClient]:
    app = FastAPI()
    verifier = AsyncVerifier(**fake_issuer.options)
    protect(app, verifier, origin=ORIGIN, certificate=lambda request: request.headers.get("x-thumbprint"))

    @app.get("/me")
    async def me(user: Annotated[User, Depends(get_current_user)]) -> dict[str, Any]:
        return {"sub": user.sub, "scopes": sorted(user.scopes)}

    @app.get("/tasks")
    async def tasks(user: Annotated[User, Depends(require(scope="tasks", permission=["a", "b"]))]) -> str:
        return user.client_id

    yield TestClient(app)
    verifier.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_an_accepted_token_reaches_the_route(client: TestClient, fake_issuer: FakeIssuer) -> None:
    answer = client.get("/me", headers=bearer(fake_issuer.mint(sub="ada", scope="openid tasks")))
    assert (answer.status_code, answer.json()) == (200, {"sub": "ada", "scopes": ["openid", "tasks"]})
    full = fake_issuer.mint(scope="tasks", permissions=["a", "b", "c"])
    assert client.get("/tasks", headers=bearer(full)).json() == "client-1"


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearerabc"])
def test_a_request_without_a_token_is_challenged_without_an_error(client: TestClient, header: str | None) -> None:
    answer = client.get("/me", headers={} if header is None else {"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "bearer ä", "DPoP"])
def test_a_malformed_header_is_an_invalid_request(client: TestClient, header: str) -> None:
    answer = client.get("/me", headers=[(b"authorization", header.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "request_invalid")


def test_two_authorization_headers_are_an_invalid_request(client: TestClient, fake_issuer: FakeIssuer) -> None:
    header = ("authorization", f"Bearer {fake_issuer.mint()}")
    assert client.get("/me", headers=[header, header]).status_code == 400


def test_a_token_that_is_not_accepted_is_told_its_code(client: TestClient, fake_issuer: FakeIssuer) -> None:
    answer = client.get("/me", headers=bearer(fake_issuer.mint(exp=1)))
    text = CODES["expired"]
    assert answer.json() == {
        "title": text["title"],
        "status": 401,
        "fix": text["fix"],
        "code": "expired",
        "retryable": False,
    }
    assert answer.headers["www-authenticate"] == (f'Bearer error="invalid_token", error_description="{text["title"]}"')


def test_a_missing_scope_or_permission_is_forbidden_by_name(client: TestClient, fake_issuer: FakeIssuer) -> None:
    answer = client.get("/tasks", headers=bearer(fake_issuer.mint()))
    assert (answer.status_code, answer.json()["detail"]) == (403, "Required scopes: tasks")
    assert 'scope="tasks"' in answer.headers["www-authenticate"]
    answer = client.get("/tasks", headers=bearer(fake_issuer.mint(scope="tasks", permissions=["a"])))
    assert (answer.status_code, answer.json()["detail"]) == (403, "Required permissions: a b")
    assert "www-authenticate" not in answer.headers


def test_a_stale_verifier_asks_for_a_retry(client: TestClient, fake_issuer: FakeIssuer) -> None:
    fake_issuer.go_stale()
    answer = client.get("/me", headers=bearer(fake_issuer.mint()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["retryable"] is True


def test_a_dpop_proof_is_accepted_once_and_under_its_scheme_only(client: TestClient, fake_issuer: FakeIssuer) -> None:
    dpop = fake_issuer.new_dpop_client()
    token = fake_issuer.mint(cnf={"jkt": dpop.jkt})
    headers = {"authorization": f"DPoP {token}", "dpop": dpop.proof("GET", f"{ORIGIN}/me", token)}
    assert client.get("/me?page=2", headers=headers).status_code == 200
    replayed = client.get("/me", headers=headers)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "binding_mismatch")
    assert 'error="invalid_dpop_proof"' in replayed.headers["www-authenticate"]
    for path in ("/other", "/me/"):
        wrong = {**headers, "dpop": dpop.proof("GET", f"{ORIGIN}{path}", token)}
        assert client.get("/me", headers=wrong).status_code == 401
    under_bearer = {"authorization": f"Bearer {token}", "dpop": dpop.proof("GET", f"{ORIGIN}/me", token)}
    assert 'DPoP algs="ES256 RS256 EdDSA"' in client.get("/me", headers=under_bearer).headers["www-authenticate"]


def test_a_token_of_a_certificate_needs_that_certificate(client: TestClient, fake_issuer: FakeIssuer) -> None:
    headers = bearer(fake_issuer.mint(cnf={"x5t#S256": "a" * 43}))
    assert client.get("/me", headers={**headers, "x-thumbprint": "a" * 43}).status_code == 200
    assert client.get("/me", headers={**headers, "x-thumbprint": "b" * 43}).json()["code"] == "binding_mismatch"
    assert client.get("/me", headers=headers).status_code == 401


def test_an_application_without_a_verifier_fails_loudly() -> None:
    app = FastAPI()

    @app.get("/me")
    async def me(user: Annotated[User, Depends(get_current_user)]) -> str:
        return user.sub

    with pytest.raises(RuntimeError, match="call protect"):
        TestClient(app).get("/me")


def test_openapi_says_that_the_route_needs_a_token(client: TestClient) -> None:
    route = client.get("/openapi.json").json()["paths"]["/me"]["get"]
    assert route["security"] == [{"HTTPBearer": []}]

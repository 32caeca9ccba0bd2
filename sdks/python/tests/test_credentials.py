"""The file of a sign-in that many processes share."""

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sallyport_verifier.credentials import CredentialError, CredentialStore

Answer = Callable[[], httpx.Response]
START = 1_800_000_000.0


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, str) else json.dumps(body)
    return lambda: httpx.Response(status, content=content, headers=fields)


def pair(n: int) -> dict[str, Any]:
    return {"access_token": f"access-{n}", "refresh_token": f"refresh-{n}", "expires_in": 900}


def lost() -> httpx.Response:
    raise httpx.ConnectError("no answer")


ended = answer({"error": "invalid_grant", "code": "session_ended"}, 400)
away = answer({"error": "temporarily_unavailable", "code": "store_unavailable"}, 503)


class Opened:
    """A store whose API answers in this order, at a time that the test sets."""

    def __init__(self, path: Path, *answers: Answer) -> None:
        self.path, self.now, self.answers = path, START, list(answers)
        self.sent: list[httpx.Request] = []
        self.waits: list[float] = []
        self.store = CredentialStore(
            path=path,
            url="https://auth.example/",
            client_id="cli",
            lock_timeout=0.2,
            transport=httpx.MockTransport(self.answer),
            now=lambda: self.now,
            sleep=self.waits.append,
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self.answers.pop(0)()

    def refusal(self, work: Callable[[], object] | None = None) -> tuple[str, str | None]:
        with pytest.raises(CredentialError) as caught:
            (work or self.store.access_token)()
        return caught.value.code, caught.value.reason


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A store with tokens."""
    one = Opened(tmp_path / "made" / "credentials")
    one.store.save(pair(0))
    return one


def test_a_token_is_replaced_a_minute_before_its_end_and_used_while_the_api_gives_none(opened: Opened) -> None:
    assert opened.store.access_token() == "access-0"
    opened.now += 850
    opened.answers = [away]
    assert [opened.store.access_token() for _ in range(2)] == ["access-0", "access-0"]
    opened.now += 6
    opened.answers = [answer(pair(1))]
    assert [opened.store.access_token() for _ in range(2)] == ["access-1", "access-1"]
    form = parse_qs(opened.sent[-1].content.decode())
    assert form == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-0"], "client_id": ["cli"]}
    assert opened.sent[-1].headers["user-agent"] == "sallyport-credentials"


def test_without_a_usable_token_the_api_is_asked_three_times_and_by_no_process_in_the_next_five_seconds(
    opened: Opened,
) -> None:
    opened.answers = [lost, answer({"error": "temporarily_unavailable"}, 429, retry_after="2"), answer("<h1>", 502)]
    opened.now += 901
    assert opened.refusal() == ("server_unavailable", None)
    assert len(opened.sent) == 3
    assert opened.waits[1:] == [2]
    other = Opened(opened.path)
    other.now = opened.now
    assert other.refusal() == ("server_unavailable", None)
    opened.now += 6
    opened.answers = [answer([], 200), answer({}, 503, retry_after="60")]
    assert opened.refusal() == ("server_unavailable", None)
    opened.now += 6
    opened.answers = [answer(pair(1))]
    assert opened.store.access_token() == "access-1"


def test_a_sign_in_that_the_api_has_ended_is_over_for_every_process_and_keeps_no_token(opened: Opened) -> None:
    opened.answers = [ended]
    opened.now += 850
    assert opened.refusal() == ("sign_in_required", "session_ended")
    assert Opened(opened.path).refusal() == ("sign_in_required", "session_ended")
    assert b"refresh-0" not in opened.path.read_bytes()
    opened.store.save(pair(2))
    other = Opened(opened.path)
    other.now = opened.now
    assert other.store.access_token() == "access-2"
    opened.store.forget()
    assert opened.refusal() == ("sign_in_required", None)
    assert b"refresh-2" not in opened.path.read_bytes()


def test_a_client_that_the_api_refuses_loses_no_sign_in(opened: Opened) -> None:
    refused = answer({"error": "invalid_client", "code": "client_unauthenticated"}, 401)
    opened.answers = [refused, refused, answer({"access_token": "access-1", "expires_in": 60}), answer(pair(2))]
    opened.now += 850
    assert opened.store.access_token() == "access-0"
    opened.now += 60
    assert opened.refusal() == ("refresh_refused", "client_unauthenticated")
    opened.now += 6
    assert opened.store.access_token() == "access-1"
    opened.now += 50
    assert opened.store.access_token() == "access-2"


def test_threads_share_one_refresh_and_a_rejected_token_is_replaced_once(opened: Opened) -> None:
    opened.answers = [answer(pair(1))]
    tokens: list[str] = []
    opened.store._lock_timeout = 60
    work = [threading.Thread(target=lambda: tokens.append(opened.store.access_token("access-0"))) for _ in range(12)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert tokens == ["access-1"] * 12
    assert len(opened.sent) == 1


def test_a_clock_that_was_set_back_does_not_make_a_token_last_longer(opened: Opened) -> None:
    opened.answers = [answer(pair(1))]
    opened.now -= 3600
    assert opened.store.access_token() == "access-1"


def test_while_another_process_has_the_lock_a_usable_token_is_used_and_an_expired_one_waited_for(
    opened: Opened,
) -> None:
    other = sqlite3.connect(opened.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    opened.now += 850
    assert opened.store.access_token() == "access-0"
    opened.now += 60
    assert opened.refusal() == ("store_busy", None)
    assert opened.refusal(opened.store.forget) == ("store_busy", None)
    other.close()
    assert opened.sent == []


def test_a_file_or_folder_that_others_can_read_or_change_is_refused(opened: Opened) -> None:
    folder = opened.path.parent
    assert [place.stat().st_mode & 0o777 for place in (opened.path, folder)] == [0o600, 0o700]
    for place, exposed, safe in ((opened.path, 0o640, 0o600), (opened.path, 0o604, 0o600), (folder, 0o720, 0o700)):
        os.chmod(place, exposed)
        assert opened.refusal() == ("store_exposed", None)
        os.chmod(place, safe)
        assert opened.store.access_token() == "access-0"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_a_file_or_folder_that_another_user_owns_is_refused(opened: Opened) -> None:
    for place in (opened.path, opened.path.parent):
        os.chown(place, 4242, 0)
        assert opened.refusal() == ("store_exposed", None)
        os.chown(place, 0, 0)
        assert opened.store.access_token() == "access-0"


def change(path: Path, sql: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "damage",
    ["text", "half", "PRAGMA application_id = 7", "UPDATE credentials SET entry = '{'"],
)
def test_a_file_that_is_damaged_is_named_as_such_and_not_changed(damage: str, opened: Opened) -> None:
    whole = opened.path.read_bytes()
    if damage == "text":
        opened.path.write_bytes(b"tokens of another program\n" * 99)
    elif damage == "half":
        opened.path.write_bytes(whole[: len(whole) // 2])
    else:
        change(opened.path, damage)
    before = opened.path.read_bytes()
    for work in (opened.store.access_token, opened.store.forget, lambda: opened.store.save(pair(1))):
        assert opened.refusal(work) == ("store_damaged", None)
    assert opened.path.read_bytes() == before


def test_no_error_carries_what_it_could_not_read(opened: Opened) -> None:
    def texts(work: Callable[[], object]) -> list[str]:
        with pytest.raises(CredentialError) as caught:
            work()
        linked: list[BaseException | None] = [caught.value]
        while linked[-1] is not None:
            linked.append(linked[-1].__cause__ or linked[-1].__context__)
        return [repr((err, getattr(err, "__dict__", None))) for err in linked]

    opened.now += 901
    opened.answers = [answer('{"refresh_token": "kept-secret"')] * 3
    assert "kept-secret" not in str(texts(opened.store.access_token))
    change(opened.path, """UPDATE credentials SET entry = '{"refresh_token": "kept-secret"'""")
    assert "kept-secret" not in str(texts(opened.store.access_token))


def test_the_api_is_not_asked_while_its_answer_could_not_be_written(opened: Opened) -> None:
    change(opened.path, "CREATE TRIGGER f BEFORE INSERT ON credentials BEGIN SELECT RAISE(ABORT, 'full'); END")
    opened.now += 901
    assert opened.refusal() == ("store_unavailable", None)
    assert opened.sent == []
    assert Opened(opened.path / "below").refusal() == ("store_unavailable", None)


def test_tokens_without_an_end_or_with_another_key_are_not_saved(opened: Opened) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        opened.store.save({**pair(1), "expires_in": 0})
    with pytest.raises(ValueError, match="need dpop_jwk"):
        opened.store.save({**pair(1), "token_type": "DPoP"})
    with pytest.raises(ValueError, match="P-256"):
        opened.store.save(pair(1), dpop_jwk={"kty": "OKP", "crv": "Ed25519", "x": "", "d": ""})


def service(request: httpx.Request) -> httpx.Response:
    """Accepts the second access token, and names a nonce first."""
    scheme, token = request.headers["authorization"].split()
    claims = jwt.decode(request.headers["dpop"], options={"verify_signature": False})
    if "nonce" not in claims:
        return httpx.Response(401, headers={"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n"})
    if token != "access-1":
        return httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    return httpx.Response(200, content=f"{scheme} {claims['htm']} {claims['htu']} {request.content.decode()}")


def test_httpx_sends_token_and_proof_and_replaces_a_refused_token_once_also_in_asyncio(opened: Opened) -> None:
    key: dict[str, str] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1())))
    url = "https://notes.example/notes?a=b"
    for _ in range(2):
        opened.store.save(pair(0), dpop_jwk=key)
        opened.answers = [answer(pair(1))]
        with httpx.Client(transport=httpx.MockTransport(service), auth=opened.store) as client:
            said = client.post(url, content="text")
        assert said.text == "DPoP POST https://notes.example/notes text"

    async def post() -> str:
        opened.store.save(pair(0), dpop_jwk=key)
        opened.answers = [answer(pair(1))]
        async with httpx.AsyncClient(transport=httpx.MockTransport(service), auth=opened.store) as client:
            return (await client.post(url, content="text")).text

    assert asyncio.run(post()) == "DPoP POST https://notes.example/notes text"
    refresh = opened.sent[-1]
    header = jwt.get_unverified_header(refresh.headers["dpop"])
    verifying = jwt.PyJWK(header["jwk"], "ES256").key
    claims = jwt.decode(refresh.headers["dpop"], verifying, ["ES256"], {"verify_iat": False})
    assert (header["typ"], "d" in header["jwk"]) == ("dpop+jwt", False)
    assert (claims["htm"], claims["htu"], claims["iat"]) == ("POST", "https://auth.example/oauth2/token", int(START))

"""The code of the README runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sallyport_verifier import DEFAULTS, AsyncVerifier
from sallyport_verifier.fastapi import protect
from sallyport_verifier.testing import FakeIssuer

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = dict(re.findall(r"```python (\w+)\n(.*?)```", README, re.DOTALL))


def run(name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"readme_{name}"}
    exec(compile(BLOCKS[name], f"README.md, {name}", "exec"), names)
    return names


def test_the_first_protected_route_takes_at_most_12_lines(
    fake_issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for line in BLOCKS["fastapi"].splitlines() if line.strip()]
    assert len(lines) <= 12
    monkeypatch.delenv("AUDIENCE", raising=False)
    for name, value in {"ISSUER": "https://auth.test", "CLIENT_ID": "a", "CLIENT_SECRET": "b"}.items():
        monkeypatch.setenv(name, value)
    app = run("fastapi")["app"]
    verifier = AsyncVerifier(**fake_issuer.options)
    protect(app, verifier)
    client = TestClient(app)
    assert client.get("/tasks").status_code == 401
    token = fake_issuer.mint(sub="ada")
    assert client.get("/tasks", headers={"authorization": f"Bearer {token}"}).json() == {"owner": "ada"}
    verifier.close()


@pytest.mark.parametrize("name", ["verify", "keys"])
def test_the_examples_of_a_token_and_of_a_key_print_their_user(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(name)
    assert capsys.readouterr().out == "ada\n"


def test_the_example_of_a_test_passes(fake_issuer: FakeIssuer) -> None:
    run("testing")["test_a_revoked_token_is_refused"](fake_issuer)


def test_the_table_of_options_tells_every_option_and_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+)` +\| ([^|]*?) +\|", README, re.MULTILINE))
    for name, default in DEFAULTS.items():
        texts = {"algorithms": "RS256, ES256, EdDSA", "required_scopes": "none"}
        text = texts.get(name, str(default))
        assert told[name].strip('`"') == text, name

"""An agent that pays, as agent.ts: asks a payments service, has people approve, and pays once.

In your project: pip install mcp. The SDK makes no DPoP proofs, so the agent is registered with --no-dpop.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx2
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

SALLYPORT = os.environ.get("SALLYPORT", "http://localhost:3000")
PAYMENTS = os.environ.get("PAYMENTS", "http://localhost:8200/mcp")
AGENT_ID = os.environ["AGENT_ID"]
AGENT_SECRET = os.environ["AGENT_SECRET"]

ACT = "payments.send"
SIGN_OFFS = f"{SALLYPORT}/v1/handoff/signoffs"
RETRIES = 20
POLL_SECONDS = 1
WAIT_SECONDS = 3_600

Json = dict[str, Any]


class Patient(httpx2.AsyncHTTPTransport):
    """Sends a request again that a server could not answer yet."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        for left in reversed(range(RETRIES)):
            response = await super().handle_async_request(request)
            seconds = response.headers.get("retry-after")
            if response.status_code != 503 or seconds is None or left == 0:
                break
            await response.aclose()
            await asyncio.sleep(float(seconds))
        return response


class Memory:
    """Where the SDK keeps the tokens of this process."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        pass


class SignOffs:
    """Sign-offs at Sallyport, with the credentials of the agent."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def _ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        headers = {"idempotency-key": str(uuid.uuid4())} if body is not None else {}
        answer = await self._http.request(method, SIGN_OFFS + path, json=body, headers=headers)
        return answer.status_code, answer.json()

    async def _read(self, path: str) -> Json:
        status, answer = await self._ask("GET", path)
        if status != 200:
            raise RuntimeError(f"Sallyport refused: {answer.get('code')}")
        return answer

    async def _move(self, sign_off_id: str, path: str, body: Json, state: str) -> None:
        """Accepts a refusal where an earlier attempt had succeeded and its answer was lost."""
        status, answer = await self._ask("POST", f"/{sign_off_id}/{path}", body)
        may_be_done = answer.get("code") in ("signoff_not_runnable", "signoff_not_running")
        if may_be_done and (await self._read(f"/{sign_off_id}"))["state"] == state:
            return
        if status != 200:
            raise RuntimeError(f"Sallyport refused: {answer.get('code')}")

    async def request(self, payment: Json, hint: Json) -> Json:
        """Requests the sign-off that the service wants, for exactly this payment."""
        # What the service says is compared, never followed: it chooses neither the act nor the address.
        if hint["act"] != ACT or hint["request_at"] != SIGN_OFFS:
            raise RuntimeError(f"the service wants a sign-off of {hint['act']} at {hint['request_at']}")
        title = f"Pay {payment['amount']} (minor units) {payment['currency']} to {payment['to']}"
        body = {"act": ACT, "title": title, "arguments": payment, "required_roles": hint["required_roles"]}
        status, asked = await self._ask("POST", "", body)
        if status != 201:
            raise RuntimeError(f"Sallyport refused: {asked.get('code')}")
        if asked["arguments_sha256"] != hint["arguments_sha256"]:
            raise RuntimeError("the service understood another payment")
        return asked

    async def approved(self, sign_off_id: str, on_waiting: Callable[[str], None]) -> None:
        """Waits for the decision, with a limit."""
        shown, until = "", time.monotonic() + WAIT_SECONDS
        while (sign_off := await self._read(f"/{sign_off_id}"))["state"] != "approved":
            if sign_off["state"] != "pending" or time.monotonic() > until:
                raise RuntimeError(f"the sign-off is {sign_off['state']}")
            waiting = ", ".join(sign_off["waiting_for"])
            if waiting != shown:
                on_waiting(waiting)
            shown = waiting
            await asyncio.sleep(POLL_SECONDS)

    async def start(self, sign_off_id: str, payment: Json) -> None:
        await self._move(sign_off_id, "start", {"act": ACT, "arguments": payment}, "running")

    async def finish(self, sign_off_id: str, outcome: str) -> Json:
        await self._move(sign_off_id, "finish", {"outcome": outcome}, outcome)
        return await self._read(f"/{sign_off_id}/receipt")


def say(what: str, text: str) -> None:
    print(f"{what:<10}{text}", flush=True)


async def pay(client: Client, payment: Json, **sign_off: str) -> Json:
    result = await client.call_tool("send_payment", payment | sign_off)
    if result.structured_content is None:
        raise RuntimeError(f"send_payment: {result.content}")
    return result.structured_content


async def run(client: Client, sign_offs: SignOffs, payment: Json) -> None:
    hint = await pay(client, payment)
    say("refused", f"{hint['error']}: {', '.join(hint['required_roles'])}")
    asked = await sign_offs.request(payment, hint)
    sign_off_id = asked["signoff_id"]
    say("request", f"{sign_off_id} SHA-256 {asked['arguments_sha256']}")
    await sign_offs.approved(sign_off_id, lambda roles: say("waiting", roles))
    await sign_offs.start(sign_off_id, payment)
    other = payment | {"amount": payment["amount"] + 1}
    say("other", (await pay(client, other, signoff_id=sign_off_id))["error"])
    paid = await pay(client, payment, signoff_id=sign_off_id)
    # `signoff_used` names the payment too: it was made, and its answer was lost.
    is_paid = paid.get("payment_id") == sign_off_id
    receipt = await sign_offs.finish(sign_off_id, "done" if is_paid else "failed")
    if not is_paid:
        raise RuntimeError(f"not paid: {paid['error']}")
    say("paid", sign_off_id)
    say("again", (await pay(client, payment, signoff_id=sign_off_id))["error"])
    people = ", ".join(f"{approval['role']} {approval['user_id']}" for approval in receipt["approvals"])
    say("receipt", f"{receipt['seq']}: {people}")


async def main(amount: str, currency: str, to: str) -> None:
    # The service names an authorization server, and could name its own: the secret goes to none but this issuer.
    provider = ClientCredentialsOAuthProvider(
        PAYMENTS, Memory(), AGENT_ID, AGENT_SECRET, issuer=SALLYPORT
    )
    own = httpx2.AsyncClient(transport=Patient(), auth=(AGENT_ID, AGENT_SECRET), timeout=30)
    async with httpx2.AsyncClient(transport=Patient(), auth=provider, timeout=30) as http, own:
        async with Client(streamable_http_client(PAYMENTS, http_client=http)) as client:
            payment = {"amount": int(amount), "currency": currency, "to": to}
            await run(client, SignOffs(own), payment)


asyncio.run(main(*sys.argv[1:]))

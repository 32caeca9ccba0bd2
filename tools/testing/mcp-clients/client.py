"""Signs in to an MCP server as its official Python SDK does: for a test, which plays the browser.

Writes the address of the authorization on a line, reads the address that the browser was sent to, and then writes on one
line what it saw.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

SERVER = sys.argv[1]


class Memory:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


asked: list[str] = []


async def show(address: str) -> None:
    if asked:
        raise RuntimeError("the user was asked twice")
    asked.append(address)
    print(address, flush=True)


async def answered() -> AuthorizationCodeResult:
    line = await asyncio.to_thread(sys.stdin.readline)
    query = parse_qs(urlparse(line.strip()).query)
    return AuthorizationCodeResult(
        code=query["code"][0], state=query["state"][0], iss=query["iss"][0]
    )


async def main() -> None:
    memory = Memory()
    provider = OAuthClientProvider(
        server_url=SERVER,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK",
            redirect_uris=["http://localhost:3030/callback"],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        ),
        storage=memory,
        redirect_handler=show,
        callback_handler=answered,
    )
    async with create_mcp_http_client(auth=provider) as http:
        async with Client(streamable_http_client(SERVER, http_client=http)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            first = memory.tokens.access_token
            # As after its lifetime: the SDK refreshes before the next request.
            provider.context.token_expiry_time = 1
            called = await client.call_tool("list_my_sessions", {})
    seen = {
        "tools": tools,
        "isError": called.is_error,
        "scope": memory.tokens.scope,
        "wasRefreshed": memory.tokens.access_token != first,
    }
    print(json.dumps(seen), flush=True)


asyncio.run(main())

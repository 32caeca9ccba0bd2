"""Requests to the API, limited in time and size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ._contract import LONGEST_RETRY_AFTER_SECONDS


class ApiUnavailable(Exception):
    """The API did not answer 200 in time, or with too much."""

    def __init__(self, message: str, retry_after: float = 0, status: int | None = None) -> None:
        """:param retry_after: what the API asked for, seconds
        :param status: of an answer that was not 200
        """
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def _retry_after_of(response: httpx.Response) -> float:
    try:
        wait = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0
    return min(wait, LONGEST_RETRY_AFTER_SECONDS) if wait > 0 else 0


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, method: str, url: str, **request: Any
) -> AsyncIterator[httpx.Response]:
    """Opens a request. Raises ApiUnavailable unless the answer is 200; redirects are not followed."""
    headers = {**request.pop("headers", {}), "accept-encoding": "identity"}
    path = httpx.URL(url).path
    async with client.stream(method, url, headers=headers, follow_redirects=False, **request) as response:
        if response.status_code != 200:
            status = response.status_code
            raise ApiUnavailable(f"{path} answered {status}", _retry_after_of(response), status)
        # A packed answer could be far larger than it looks.
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ApiUnavailable(f"{path} answered with an encoding that was not asked for")
        yield response


async def fetch_text(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    timeout: float,
    maximum_bytes: int,
    **request: Any,
) -> tuple[str, httpx.Headers]:
    """The body and headers of a 200 answer. Raises ApiUnavailable.

    :param timeout: limit of the whole request, seconds
    """
    path = httpx.URL(url).path

    async def read() -> tuple[str, httpx.Headers]:
        async with open_stream(client, method, url, **request) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > maximum_bytes:
                    raise ApiUnavailable(f"{path} answered with more than {maximum_bytes} bytes")
            return body.decode(errors="replace"), response.headers

    try:
        return await asyncio.wait_for(read(), timeout)
    except ApiUnavailable:
        raise
    except (TimeoutError, asyncio.TimeoutError) as err:
        raise ApiUnavailable(f"{path} did not answer in time") from err
    except Exception as err:
        raise ApiUnavailable(f"{path} cannot be reached") from err

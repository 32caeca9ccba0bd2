"""One of many processes that share a store. Each round uses up the access token of the last."""

import json
import os
import sys

import httpx

from sallyport_verifier.credentials import CredentialStore

API, VIA = httpx.URL(os.environ["API"]), httpx.URL(os.environ["VIA"])


class Via(httpx.HTTPTransport):
    """Reaches the API at another address, and says which process asks."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host=VIA.host, port=VIA.port)
        headers = {**request.headers, "x-pid": str(os.getpid())}
        via = httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        return super().handle_request(via)


def main() -> None:
    store = CredentialStore(
        path=os.environ["STORE"],
        url=str(API),
        client_id=os.environ["CLIENT_ID"],
        timeout=60,
        lock_timeout=600,
        transport=Via(),
    )
    if "TOKENS" in os.environ:
        saved = json.loads(os.environ["TOKENS"])
        store.save(saved, dpop_jwk=saved.get("dpop_jwk"))
        return
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(os.environ["ROUNDS"])):
        store.access_token(store.access_token())
    with httpx.Client(transport=Via()) as client:
        print(client.get(f"{API}/oauth2/userinfo", auth=store).json()["sub"])


if __name__ == "__main__":
    main()

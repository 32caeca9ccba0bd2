"""A receiver of shared signals, written from SSF 1.0, CAEP 1.0, RFC 8935 and RFC 8936 alone.

Usage: receiver.py ISSUER, with an access token in the environment as TOKEN, and the port of its own server, whose address
the client has registered, as PORT. It discovers the transmitter, creates a stream
that is pushed to a server of its own and one that it polls, and requests a verification of each. Then it prints one line
of JSON for each event whose token it has verified: `{"stream": "push" | "poll", "jti", "event", "claims"}`.
"""

import json
import os
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from security_event_tokens import verified

ISSUER = sys.argv[1]
SEEN: set[tuple[str, str]] = set()
LOCK = threading.Lock()
AUTHORIZATION = "Bearer receiver-secret"


def ask(method: str, url: str, body: object = None, token: str | None = os.environ.get("TOKEN")) -> tuple[int, object]:
    headers = {"accept": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        headers["content-type"] = "application/json"
        data = json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
        return answer.status, json.loads(text) if text else None


CONFIGURATION = ask("GET", f"{ISSUER}/.well-known/ssf-configuration", token=None)[1]
JWKS = ask("GET", CONFIGURATION["jwks_uri"], token=None)[1]


def take(stream: str, audience: str, token: str) -> str:
    """Verifies a token and prints its event once."""
    _, claims = verified(token, JWKS)
    if claims["iss"] != CONFIGURATION["issuer"]:
        raise ValueError("another issuer")
    if audience not in (claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]):
        raise ValueError("another audience")
    if "exp" in claims or "sub" in claims or len(claims["events"]) != 1 or "format" not in claims["sub_id"]:
        raise ValueError("not an event of SSF 1.0")
    [(event_type, payload)] = claims["events"].items()
    if "/caep/" in event_type and not (payload["event_timestamp"] and payload["reason_admin"]["en"]):
        raise ValueError("not an event of the CAEP interoperability profile 1.0")
    with LOCK:
        if (stream, claims["jti"]) not in SEEN:
            SEEN.add((stream, claims["jti"]))
            [event] = claims["events"]
            line = {"stream": stream, "jti": claims["jti"], "event": event, "claims": claims}
            print(json.dumps(line), flush=True)
    return claims["jti"]


class Handler(BaseHTTPRequestHandler):
    audience = ""

    def do_POST(self) -> None:
        token = self.rfile.read(int(self.headers["content-length"])).decode()
        status, body = 202, b""
        try:
            if self.headers["content-type"] != "application/secevent+jwt":
                raise ValueError("another content type")
            if self.headers["authorization"] != AUTHORIZATION:
                raise ValueError("another authorization")
            take("push", Handler.audience, token)
        except (ValueError, KeyError) as error:
            status, body = 400, json.dumps({"err": "invalid_request", "description": str(error)}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    assert CONFIGURATION["issuer"] == ISSUER
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    streams = CONFIGURATION["configuration_endpoint"]
    wanted = {"events_requested": [
        f"https://schemas.openid.net/secevent/caep/event-type/{name}"
        for name in ("session-revoked", "credential-change", "assurance-level-change")
    ]}
    pushed = {"method": "urn:ietf:rfc:8935", "endpoint_url": f"http://127.0.0.1:{server.server_port}/events"}
    status, push = ask("POST", streams, wanted | {"delivery": pushed | {"authorization_header": AUTHORIZATION}})
    assert status == 201
    Handler.audience = push["aud"]
    _, poll = ask("POST", streams, wanted | {"delivery": {"method": "urn:ietf:rfc:8936"}})
    assert len(ask("GET", streams)[1]) == 2
    assert ask("GET", f"{CONFIGURATION['status_endpoint']}?stream_id={push['stream_id']}")[1]["status"] == "enabled"
    # SSF 1.0 §8.1.1.4: everything that was read is sent back, with another description.
    status, replaced = ask("PUT", streams, poll | {"description": "polled"})
    assert status == 200 and replaced == poll | {"description": "polled"}
    for stream in (push, poll):
        state = {"stream_id": stream["stream_id"], "state": f"state-{stream['delivery']['method'][-4:]}"}
        assert ask("POST", CONFIGURATION["verification_endpoint"], state)[0] == 204
    print(json.dumps({"push": push["stream_id"], "poll": poll["stream_id"]}), flush=True)
    acknowledged: list[str] = []
    while True:
        body = {"maxEvents": 10, "returnImmediately": False, "ack": acknowledged}
        _, answer = ask("POST", poll["delivery"]["endpoint_url"], body)
        acknowledged = [take("poll", poll["aud"], token) for token in answer["sets"].values()]


main()

"""A transmitter of shared signals, written from SSF 1.0, CAEP 1.0 and RFC 8935 alone.

It serves its key set, prints `{"issuer", "jwks_uri"}`, and then pushes one Security Event Token for each line of its
standard input: `{"url", "aud", "event", "sub_id"}`, and optionally `claims`, `header`, `event_claims`, `other_key` and
`token`. It prints the answer of each as a line: `{"status", "body", "token"}`.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from security_event_tokens import Key

KEY = Key("transmitter-1")
OTHER_KEY = Key("transmitter-1")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"keys": [KEY.jwk()]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/jwk-set+json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def push(asked: dict, issuer: str) -> dict:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "aud": asked["aud"],
        "txn": str(uuid.uuid4()),
        "sub_id": asked["sub_id"],
        "events": {asked["event"]: {"event_timestamp": now, **asked.get("event_claims", {})}},
    }
    key = OTHER_KEY if asked.get("other_key") else KEY
    token = asked.get("token") or key.sign(claims | asked.get("claims", {}), asked.get("header"))
    request = urllib.request.Request(
        asked["url"],
        data=token.encode(),
        headers={"content-type": "application/secevent+jwt", "accept": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return {"status": answer.status, "body": answer.read().decode(), "token": token}
    except urllib.error.HTTPError as answer:
        return {"status": answer.code, "body": answer.read().decode(), "token": token}


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{server.server_port}"
    print(json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/jwks.json"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(push(json.loads(line), issuer)), flush=True)


main()

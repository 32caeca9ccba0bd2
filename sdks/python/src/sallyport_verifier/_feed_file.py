"""The file from which verifiers read keys and the signed feed."""

import json
import os
import time
import uuid
from dataclasses import dataclass

from ._contract import FEED_FILE_BYTES


@dataclass(frozen=True, slots=True)
class FeedText:
    """Content of a feed file."""

    #: Changes when the file does.
    stamp: tuple[int, int, int]
    jwks: str
    #: Answers of the feed, in the order in which they were read.
    answers: list[str]
    #: How long ago the file was written, seconds.
    age: float


def read_feed_text(path: str, known: tuple[int, int, int] | None) -> FeedText | None:
    """Reads a feed file. None when it has not changed since the stamp.

    Raises OSError when it is missing, and ValueError when it is malformed.
    """
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp == known:
            return None
        data = file.read(FEED_FILE_BYTES + 1)
    if len(data) > FEED_FILE_BYTES:
        raise ValueError("the feed file is too large")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("the feed file is malformed") from None
    jwks = body.get("jwks") if isinstance(body, dict) else None
    answers = body.get("answers") if isinstance(body, dict) else None
    is_list = isinstance(answers, list) and all(isinstance(one, str) for one in answers)
    if not isinstance(jwks, dict) or not isinstance(answers, list) or not is_list:
        raise ValueError("the feed file is malformed")
    return FeedText(stamp, json.dumps(jwks), answers, max(0.0, time.time() - status.st_mtime))


def write_feed_text(path: str, jwks: str, answers: list[str]) -> None:
    """Replaces a feed file as a whole, readable by its owner and group only. Raises OSError."""
    text = json.dumps({"jwks": json.loads(jwks), "answers": answers})
    # A name that cannot be guessed, and that must not exist: an attacker can put no link or file in its place.
    fresh = f"{path}.{uuid.uuid4()}"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w") as file:
            file.write(text)
        os.replace(fresh, path)
    except BaseException:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise

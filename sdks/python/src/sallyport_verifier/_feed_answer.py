"""The payload of an answer of the revocation feed."""

from dataclasses import dataclass
from typing import Any

from ._text import is_count, is_number, is_text

_KINDS = frozenset({"jti", "sid", "family", "user", "client", "key"})


@dataclass(slots=True)
class Answer:
    """An answer whose members have their types. Times are Unix seconds."""

    incarnation: str
    epoch: int
    since: int
    issued_at: float
    max_staleness: float
    is_complete: bool
    entries: list[dict[str, Any]]


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or not is_count(value.get("epoch")):
        return False
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        return False
    if not is_text(value.get("value")) or not _is_time(value.get("expires_at")):
        return False
    return kind not in ("user", "client") or is_count(value.get("token_epoch"))


def _is_time(value: Any) -> bool:
    return is_number(value) and value >= 0


def answer_of(body: dict[str, Any]) -> Answer | None:
    """None for a payload that is malformed."""
    epoch, since, entries = body.get("epoch"), body.get("since"), body.get("entries")
    if not is_text(body.get("incarnation")) or not is_count(epoch) or not is_count(since):
        return None
    if not _is_time(body.get("issued_at")) or not _is_time(body.get("max_staleness_s")):
        return None
    if not isinstance(body.get("complete"), bool) or not isinstance(entries, list):
        return None
    assert isinstance(epoch, int | float) and isinstance(since, int | float)
    last = since
    # An entry of a kind that is not known here cannot be enforced, so the answer is refused whole.
    for entry in entries:
        if not _is_entry(entry) or not last < entry["epoch"] <= epoch:
            return None
        last = entry["epoch"]
    return (
        None
        if epoch < since
        else Answer(
            incarnation=body["incarnation"],
            epoch=int(epoch),
            since=int(since),
            issued_at=body["issued_at"],
            max_staleness=body["max_staleness_s"],
            is_complete=body["complete"],
            entries=entries,
        )
    )

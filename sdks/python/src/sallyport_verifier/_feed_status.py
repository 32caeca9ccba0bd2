"""How the last reads of the feed went."""

from ._contract import LOGS, VerifierCode
from ._http import ApiUnavailable
from ._key_store import KeyStore
from ._options import Settings


def _is_refusal(error: Exception | None) -> bool:
    """Whether the API answered, and does not accept the client: its secret is wrong, or it lacks the permission."""
    return isinstance(error, ApiUnavailable) and error.status in (401, 403)


class FeedStatus:
    """Each change is one line of the log, however often the feed is read."""

    def __init__(self, settings: Settings, keys: KeyStore) -> None:
        """Begins without a line: nothing is wrong yet."""
        self._settings = settings
        self._keys = keys
        self._known = "back"

    def stale_code(self, are_keys_fresh: bool) -> VerifierCode:
        """What tokens are answered with while keys or revocations are stale."""
        if not are_keys_fresh:
            return "key_ring_behind"
        return "client_refused" if self._known == "refused" else "revocation_state_stale"

    def _status_after(self, is_fresh: bool, error: Exception | None) -> str:
        if _is_refusal(error):
            return "refused"
        if is_fresh:
            return "back" if error is None else self._known
        # An API that cannot be reached says nothing new about the client.
        return self._known if self._known == "refused" else "stale"

    def update(self, are_revocations_fresh: bool, error: Exception | None = None) -> None:
        """After each read.

        :param are_revocations_fresh: whether the revocations may still be relied on
        :param error: why the read failed
        """
        are_keys_fresh = self._keys.is_fresh()
        status = self._status_after(are_keys_fresh and are_revocations_fresh, error)
        if status == self._known:
            return
        self._known = status
        failure = (None if are_keys_fresh else self._keys.failure) or error
        reason = "nothing new was read" if failure is None else str(failure)
        line = LOGS[status].replace("{code}", self.stale_code(are_keys_fresh)).replace("{reason}", reason)
        self._settings.log(line)

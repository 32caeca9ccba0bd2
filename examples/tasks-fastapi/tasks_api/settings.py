"""What the service reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sallyport_verifier import LegacyIssuer, VerifierOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process."""

    host: str
    port: int
    database_url: str
    #: Origins whose pages may call this service.
    cors_origins: tuple[str, ...]
    #: Public URL of this service, for DPoP proofs. None: scheme and Host of each request, which the sender chooses.
    public_url: str | None
    #: Options of the verifier.
    verifier: VerifierOptions


def read_settings(env: Mapping[str, str]) -> Settings:
    """Reads the environment. ``NAME_FILE`` names a file that contains ``NAME``, as secrets of containers do."""

    def optional(name: str, default: str = "") -> str:
        file = env.get(f"{name}_FILE")
        return (Path(file).read_text().strip() if file else env.get(name)) or default

    def required(name: str) -> str:
        value = optional(name)
        if not value:
            raise ValueError(f"{name} is not set")
        return value

    url = optional("BETTER_AUTH_URL", "http://localhost:3000")
    issuer = optional("JWT_ISSUER", url)
    secret = optional("JWT_SECRET")
    verifier: VerifierOptions = {
        "issuer": issuer,
        "audience": optional("JWT_AUDIENCE", issuer),
        "url": url,
        "allow_http": optional("ALLOW_HTTP") == "true",
        "client_id": required("CLIENT_ID"),
        "client_secret": required("CLIENT_SECRET"),
        "max_stale": float(optional("MAX_STALE", "60")),
    }
    legacy = optional("LEGACY_ISSUER")
    if legacy:
        until = datetime.fromisoformat(required("LEGACY_BRIDGE_UNTIL").replace("Z", "+00:00"))
        verifier["legacy"] = LegacyIssuer(legacy, required("LEGACY_JWKS_URI"), required("LEGACY_AUDIENCE"), until)
    if secret:
        verifier["algorithms"] = ["HS256"]
        verifier["secret"] = secret
    return Settings(
        host=optional("HOST", "127.0.0.1"),
        port=int(optional("TASKS_PORT", "8000")),
        database_url=required("DATABASE_URL"),
        cors_origins=tuple(filter(None, optional("CORS_ORIGINS").split(","))),
        public_url=optional("PUBLIC_URL") or None,
        verifier=verifier,
    )

"""Settings come from environment variables only; docs/operations.md lists them all."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def _flag(env: Mapping[str, str], name: str, default: str = "0") -> bool:
    return env.get(name, default).strip().lower() in {"1", "true", "yes", "on"}


def _secret_key(env: Mapping[str, str], data_dir: Path) -> str:
    """The configured key, or one made once and kept beside the data, so that a restart signs nobody out."""
    return env.get("SECRET_KEY") or _kept_key(data_dir / "secret_key")


def _audit_keys(env: Mapping[str, str], data_dir: Path) -> tuple[str, ...]:
    """The audit log's keys, one a line: the first writes, the others still prove what they wrote."""
    file = Path(env.get("PORTAL_AUDIT_KEY_FILE") or data_dir / "audit_key")
    keys = tuple(line.strip() for line in _kept_key(file).splitlines() if line.strip())
    if not keys:
        raise SystemExit(f"{file} holds no key; put back the one that was there (docs/operations.md)")
    return keys


def _kept_key(file: Path) -> str:
    """What stands in the file; made once when there is none (mode 0600)."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        # Written whole, then linked: of two processes starting together one wins and nobody reads half a key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text().strip()


def data_folder(env: Mapping[str, str], code: Path = ROOT) -> Path:
    """Where everything that is written goes: `var` beside a checkout; an installed package must be told.

    Raises SystemExit: among the installed packages the next upgrade would throw the data away.
    """
    given = env.get("PORTAL_DATA_DIR")
    if not given and not (code / "pyproject.toml").is_file():
        raise SystemExit("PORTAL_DATA_DIR is not set: name the folder for database and files (docs/operations.md)")
    return Path(given or code / "var").resolve()


def database_url(raw: str, data_dir: Path) -> str:
    """Normalise DATABASE_URL: an SQLite file by default, psycopg 3 for PostgreSQL addresses."""
    if not raw:
        return f"sqlite:///{data_dir / 'portal.db'}"
    for prefix in ("postgres://", "postgresql://"):
        if raw.startswith(prefix):
            return "postgresql+psycopg://" + raw.removeprefix(prefix)
    if not raw.startswith(("sqlite:///", "postgresql+psycopg://")):
        what = raw.partition(":")[0]  # no more of it: a password may follow
        raise SystemExit(f"DATABASE_URL begins with {what}; known are sqlite:////file and postgresql://…")
    return raw


LARGEST = {
    "MAX_CONTENT_LENGTH": 8 * 1024 * 1024,  # with a file
    "MAX_TOLD_LENGTH": 24 * 1024 * 1024,  # with a file, where the page itself says that it is too large
    "MAX_FORM_LENGTH": 256 * 1024,  # without: some 30,000 characters as browsers send them
    "MAX_FORM_PARTS": 1000,  # fields; our largest form has a box for each centre of a district
}


# Of the providers that carry messages out: secrets and names as they stand in their consoles, '' where not used.
GATEWAY_NAMES = (
    "PORTAL_SMS_PROVIDER", "PORTAL_SMS_KEY_ID", "PORTAL_SMS_KEY_SECRET", "PORTAL_SMS_APP_ID",
    "PORTAL_SMS_REGION", "PORTAL_VOICE_PROVIDER", "PORTAL_VOICE_URL", "PORTAL_VOICE_TOKEN", "PORTAL_VOICE_KEY_ID",
    "PORTAL_VOICE_KEY_SECRET", "PORTAL_VOICE_APP_ID", "PORTAL_VOICE_SHOWN", "PORTAL_WECHAT_APP_ID",
    "PORTAL_WECHAT_SECRET", "PORTAL_WECHAT_ENDPOINT", "PORTAL_WECHAT_EVENT_TOKEN", "PORTAL_WECHAT_AES_KEY",
    "PORTAL_RECEIPT_TOKEN", "PORTAL_RECEIPTS",
)  # fmt: skip


def _gateways(env: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{name.removeprefix("PORTAL_"): env.get(name, "").strip() for name in GATEWAY_NAMES},
        "TEMPLATES_FILE": env.get("PORTAL_TEMPLATES", ""),
        "SMS_RATE": float(env.get("PORTAL_SMS_RATE", "100")),
        "SMS_SIDE_BY_SIDE": int(env.get("PORTAL_SMS_SIDE_BY_SIDE", "32")),
        "SMS_PRICE": float(env.get("PORTAL_SMS_PRICE", "0")),
        "VOICE_PRICE": float(env.get("PORTAL_VOICE_PRICE", "0")),
    }


def from_environment(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build the Flask configuration from environment variables."""
    env = os.environ if env is None else env
    data_dir = data_folder(env)
    data_dir.mkdir(parents=True, exist_ok=True)
    https = _flag(env, "PORTAL_HTTPS")
    return {
        "DATA_DIR": data_dir,
        "SECRET_KEY": _secret_key(env, data_dir),
        "AUDIT_KEYS": _audit_keys(env, data_dir),
        "SQLALCHEMY_DATABASE_URI": database_url(env.get("DATABASE_URL", ""), data_dir),
        "REDIS_URL": env.get("REDIS_URL", "redis://127.0.0.1:6390/0"),
        "PROFILE": env.get("PORTAL_PROFILE", "dapeng"),
        "BASE_URL": env.get("PORTAL_BASE_URL", "http://127.0.0.1:8000").rstrip("/"),
        "SMS_URL": env.get("PORTAL_SMS_URL", ""),
        "SMS_TOKEN": env.get("PORTAL_SMS_TOKEN", ""),
        "WECHAT_URL": env.get("PORTAL_WECHAT_URL", ""),
        "WECHAT_TOKEN": env.get("PORTAL_WECHAT_TOKEN", ""),
        **_gateways(env),
        "METRICS_TOKEN": env.get("PORTAL_METRICS_TOKEN", ""),
        "BACKUP_DIR": env.get("PORTAL_BACKUP_DIR", ""),
        "BACKUP_KEY_FILE": env.get("PORTAL_BACKUP_KEY_FILE", ""),
        "TRUSTED_HOSTS": [h.strip() for h in env.get("PORTAL_TRUSTED_HOSTS", "").split(",") if h.strip()] or None,
        "BEHIND_PROXY": _flag(env, "PORTAL_PROXY"),
        "HTTPS": https,
        "CODES_PER_HOUR": int(env.get("PORTAL_CODES_PER_HOUR", "2000")),
        "CODES_PER_DAY": int(env.get("PORTAL_CODES_PER_DAY", "10000")),
        "LOG_LEVEL": env.get("PORTAL_LOG_LEVEL", "INFO").upper(),
        "RATELIMIT_ENABLED": _flag(env, "PORTAL_RATE_LIMITS", "1"),
        **LARGEST,
        "SESSION_COOKIE_NAME": "__Host-portal" if https else "portal",
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,  # people.viewer signs it anew once a day
        "PERMANENT_SESSION_LIFETIME": timedelta(days=180),
        "WTF_CSRF_TIME_LIMIT": None,
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(days=30),
    }

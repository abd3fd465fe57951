"""The installation's secret: a file in the data folder, from which every other secret is derived."""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from annotator.errors import ConfigError

FILE = "secret.key"
NUM_BYTES = 32


def load_key(data_dir: Path) -> bytes:
    """The key, which is made when there is none; only the user who runs this program may read it.

    Raises:
        ConfigError: the file cannot be made or read, or is no key.
    """
    path = data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot make or read the key in {path}: {error.strerror}") from None
    if len(key) != NUM_BYTES:
        raise ConfigError(f"{path} is no key of {NUM_BYTES} bytes; remove it, and webhooks get new secrets")
    return key


def derive(key: bytes, purpose: str) -> bytes:
    """A secret of 32 bytes for one purpose, which tells nothing about the key or about other purposes' secrets."""
    return hmac.new(key, purpose.encode(), hashlib.sha256).digest()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(NUM_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces the key that another process has just made.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()

"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 of `id.timestamp.body`, by each secret."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
BYTES = (24, 64)
"""Least and most of a secret."""


class SecretError(ValueError):
    """A secret cannot be used; the text says why, and not what it was."""


def new_secret() -> str:
    """A secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key(secret: str) -> bytes:
    """The bytes of a secret.

    Raises:
        SecretError: it is not `whsec_` and 24 to 64 bytes in base64.
    """
    try:
        raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError("a secret is whsec_ and base64") from None
    if not secret.startswith(PREFIX) or not BYTES[0] <= len(raw) <= BYTES[1]:
        raise SecretError(f"a secret is whsec_ and {BYTES[0]} to {BYTES[1]} bytes in base64")
    return raw


def signature(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one `v1` for each secret, so that they can be rotated."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(key(secret), content, hashlib.sha256) for secret in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)

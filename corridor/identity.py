"""Deterministic ids: a replay of the same inputs rewrites the same rows instead of adding some."""

from hashlib import blake2b


def derived_id(*parts: str) -> str:
    """128-bit hex id of what caused something; parts are separated so that no two lists collide."""
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()

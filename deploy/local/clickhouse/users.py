"""Who may come in."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from deploy.local.clickhouse.errors import Code, ServerError


@dataclass(frozen=True)
class User:
    """The one user of the embedded server."""

    name: str = "default"
    password: str = ""

    def check(self, name: str, password: str) -> None:
        """Raises what ClickHouse raises, the same for a wrong name and a wrong password."""
        right_name = hmac.compare_digest(_bytes(name), _bytes(self.name))
        right_password = hmac.compare_digest(_bytes(password), _bytes(self.password))
        if not (right_name and right_password):
            raise ServerError(
                Code.AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user "
                "with such name.",
            )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

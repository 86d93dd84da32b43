"""Keeps webhooks from being pointed at what only we can reach (server-side request forgery).

The address that is judged is the address that is connected to: names are resolved by the resolver
below, of which the connection uses what comes out, so that a name cannot mean something else a
moment later. Redirects are not followed.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_TRANSLATED = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)
"""IPv6 that carries an IPv4 address, which may be any."""


class ForbiddenTargetError(Exception):
    """The address may not be called; the text says which and why."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet's."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in _TRANSLATED):
        return False
    return ip.is_global and not ip.is_multicast


def check_url(url: str, *, private: bool) -> None:
    """Judges what can be judged of an address without asking the DNS.

    Raises:
        ForbiddenTargetError: it may not be called.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ForbiddenTargetError(f"not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ForbiddenTargetError("only http and https addresses are called")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenTargetError("an address may not carry a user or password")
    if port == 0:
        raise ForbiddenTargetError("there is no port 0")
    if private:
        return
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise ForbiddenTargetError(f"{host} is not on the Internet")
    try:
        public = is_public(host)
    except ValueError:
        return  # a name: the resolver judges what it means
    if not public:
        raise ForbiddenTargetError(f"{host} is not on the Internet")


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is not public."""

    def __init__(self, *, private: bool) -> None:
        """Makes one.

        Args:
            private: Private addresses may be called too.
        """
        self._inner = aiohttp.ThreadedResolver()
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            ForbiddenTargetError: one of them may not be called.
            OSError: it has none.
        """
        found = await self._inner.resolve(host, port, family)
        if not self._private:
            for one in found:
                if not is_public(one["host"]):
                    raise ForbiddenTargetError(f"{host} is {one['host']}: not on the Internet")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()

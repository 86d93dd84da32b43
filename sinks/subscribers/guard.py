"""Keeps webhooks from being pointed at what only we can reach (server-side request forgery).

Judged three times: the address as it is written, what a name means when it is resolved for the
connection, and the very socket address that is connected to, so that neither another spelling nor a
name that means something else a moment later gets through. Redirects are not followed.
"""

import ipaddress
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

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
        parts = URL(url)  # as aiohttp reads it
        host, port = parts.raw_host, parts.port
    except ValueError as error:
        raise ForbiddenTargetError(f"not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ForbiddenTargetError("only http and https addresses are called")
    if parts.user is not None or parts.password is not None:
        raise ForbiddenTargetError("an address may not carry a user or password")
    if port == 0:
        raise ForbiddenTargetError("there is no port 0")
    if private:
        return
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        raise ForbiddenTargetError(f"{host} is not on the Internet")
    try:
        public = is_public(name)
    except ValueError:
        # a name, which the resolver judges; but an address in another spelling is none
        public = not name.replace(".", "").isdigit()
    if not public:
        raise ForbiddenTargetError(f"{host} is not on the Internet")


def open_socket(address: tuple[Any, ...], *, private: bool) -> socket.socket:
    """A socket for what is about to be connected to.

    Args:
        address: Family, type, protocol, name and socket address, as `getaddrinfo` has them.
        private: Private addresses may be called too.

    Raises:
        ForbiddenTargetError: it may not be called.
    """
    family, kind, protocol, _, where = address
    if not private and not is_public(where[0]):
        raise ForbiddenTargetError(f"{where[0]} is not on the Internet")
    return socket.socket(family, kind, protocol)


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

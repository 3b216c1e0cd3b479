"""The allow list of host names, against DNS rebinding.

An attacker may change the DNS record of a page's host to 127.0.0.1 once the page is loaded. For the browser the
gateway then has the same origin as the page, and the page can read every response. Only the `Host` header still
has the page's name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tracegraph.config.urls import is_loopback
from tracegraph.errors import Forbidden
from tracegraph.http.routes.health import FOREIGN_HOST, PROBES

_MISDIRECTED = 421


MAX_CACHED_HOSTS = 64


ANY_HOST = "*"
"""The entry of `server.allowed_hosts` that switches the check off."""


_HOST = re.compile(r"(?:\[([^\[\]]+)]|([^:\[\]]+))(?::[0-9]*)?")


_MESSAGE = (
    "The gateway accepts loopback names (localhost, 127.0.0.1, [::1]) and the names in server.allowed_hosts "
    "as the Host of a request: add the name of the gateway, or its network, such as 10.0.0.0/8."
)


class AllowedHostsMiddleware:
    """ASGI middleware: responds with 421 unless the host is a loopback name or one of `hosts`.

    `hosts` are names, addresses and networks in CIDR notation, in lower case and without a port. Every port is
    allowed, since a port is no secret. Probes use the address of a container or a node, or no name at all: they
    pass, with FOREIGN_HOST in their scope.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(hosts)
        self._networks = [ipaddress.ip_network(host) for host in hosts if "/" in host]
        self._allows = lru_cache(MAX_CACHED_HOSTS)(self._is_allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the application's response, or 421 for another host."""
        if scope["type"] != "http" or self._allows(
            *(value for name, value in scope["headers"] if name == b"host")
        ):
            await self._app(scope, receive, send)
        elif scope["path"] in PROBES:
            await self._app({**scope, FOREIGN_HOST: True}, receive, send)
        else:
            error = {"message": _MESSAGE, "extensions": {"code": Forbidden.code}}
            await JSONResponse({"errors": [error]}, _MISDIRECTED)(scope, receive, send)

    def _is_allowed(self, *hosts: bytes) -> bool:
        if len(hosts) != 1:  # HTTP parsers differ about the host of such a request
            return False
        name = _name(hosts[0].decode("latin-1"))
        return name in self._names or is_loopback(name) or self._is_in_network(name)

    def _is_in_network(self, name: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _name(host: str) -> str:
    """Return the name or address of a Host header, in lower case, without the port and the brackets of IPv6."""
    match = _HOST.fullmatch(host.lower())
    return "" if match is None else match[1] or match[2]

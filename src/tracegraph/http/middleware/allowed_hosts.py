"""Under which names the gateway answers, so that no foreign name can be made to lead here (DNS rebinding).

A page's own name may be pointed at 127.0.0.1 once the page is loaded. For the browser the gateway is then that
page's own server: nothing crosses sites, and the page reads every answer. Only the `Host` header still tells the
page's name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tracegraph.config.sources import is_loopback
from tracegraph.errors import Forbidden
from tracegraph.http.routes.health import FOREIGN_HOST, PROBES

_MISDIRECTED = 421


_REMEMBERED = 64


ANY_HOST = "*"
"""The entry of `server.allowed_hosts` that switches the check off."""


_HOST = re.compile(r"(?:\[([^\[\]]+)]|([^:\[\]]+))(?::[0-9]*)?")


_MESSAGE = (
    "This gateway answers to the names of its own machine (localhost, 127.0.0.1, [::1]) and to those in "
    "server.allowed_hosts: add the name by which you reach it, or its network, such as 10.0.0.0/8."
)


class AllowedHostsMiddleware:
    """Passes on what is asked of a name of loopback or one of `hosts`; anything else is 421 and runs nothing.

    `hosts` are names, addresses and networks in CIDR notation, in lower case and without a port: a port is no
    secret, and any will do. Probes come by the address of a container or a node, or without a name: they pass,
    with FOREIGN_HOST in their scope.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(hosts)
        self._networks = [ipaddress.ip_network(host) for host in hosts if "/" in host]
        self._knows = lru_cache(_REMEMBERED)(self._is_known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer, or the refusal."""
        if scope["type"] != "http" or self._knows(*(value for name, value in scope["headers"] if name == b"host")):
            await self._app(scope, receive, send)
        elif scope["path"] in PROBES:
            await self._app({**scope, FOREIGN_HOST: True}, receive, send)
        else:
            error = {"message": _MESSAGE, "extensions": {"code": Forbidden.code}}
            await JSONResponse({"errors": [error]}, _MISDIRECTED)(scope, receive, send)

    def _is_known(self, *hosts: bytes) -> bool:
        if len(hosts) != 1:  # two readers of such a request would not agree on whom it asks
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
    """The name or address in a Host header, in lower case, without the port and the brackets of IPv6."""
    found = _HOST.fullmatch(host.lower())
    return "" if found is None else found[1] or found[2]

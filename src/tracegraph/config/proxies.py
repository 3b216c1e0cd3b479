"""Proxies between the gateway and its sources: by setting, or from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from pydantic import BeforeValidator, SecretStr

from tracegraph.config.urls import read_url
from tracegraph.domain.secrets import resolve

_EXPECTED = "it must be the http(s) URL of a proxy, such as http://proxy.example:3128, or a reference to one"


@dataclass(frozen=True, slots=True)
class EnvironmentProxy:
    """The proxy that a variable of the environment names, as it stands there."""

    variable: str
    text: str

    def read(self) -> SecretStr:
        """Return the URL of the proxy. Raise ValueError for one that cannot be used."""
        return _checked(self.text if "://" in self.text else f"http://{self.text}")


def proxy_of_environment(base_url: str) -> EnvironmentProxy | None:
    """Return the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY for a URL, None if NO_PROXY excludes its host."""
    proxies = getproxies_environment()
    parts = urlsplit(base_url)
    scheme = parts.scheme if parts.scheme in proxies else "all"
    if scheme not in proxies or proxy_bypass(parts.netloc):
        return None
    return EnvironmentProxy(f"{scheme.upper()}_PROXY", proxies[scheme])


def read_proxy(value: Any) -> SecretStr:
    """Return the URL of a proxy, which may hold a password. A URL without one need not be a reference.

    Raises:
        ValueError: With a remedy, and without the URL.
    """
    if isinstance(value, SecretStr):
        return _checked(value.get_secret_value())
    if not isinstance(value, str):
        raise ValueError(_EXPECTED)  # noqa: TRY004 - pydantic expects ValueError
    if value.startswith(("env:", "file:")):
        return _checked(resolve(value).get_secret_value())
    if "@" in value:
        raise ValueError('a proxy with a password is a secret: it must be a reference, "env:NAME" or "file:PATH"')
    return _checked(value)


def _checked(url: str) -> SecretStr:
    parts = read_url(url, _EXPECTED)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"it has a path: {_EXPECTED}")
    if parts.password:
        for form in (parts.password, unquote(parts.password)):
            resolve(SecretStr(form))  # the logs hide it
    return SecretStr(url)


ProxyRef = Annotated[SecretStr, BeforeValidator(read_proxy)]
"""A pydantic field type: it accepts a URL without password, or a reference, and holds the URL as a secret."""

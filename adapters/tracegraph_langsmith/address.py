"""Normalization of LangSmith's documented addresses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_API_PATH = re.compile(r"/api(/v[12])?$")


_WEB_APP_HOST = re.compile(r"([a-z0-9-]+\.)?smith\.langchain\.com")


def normalize_base_url(url: str) -> str:
    """Return the address without `/api` or `/api/v1`, which the vendor's own clients accept as a part of it.

    Raises:
        ValueError: The address is that of the web application.
    """
    host = urlsplit(url).hostname or ""
    if _WEB_APP_HOST.fullmatch(host) and "api" not in host.split("."):
        region = host.removesuffix("smith.langchain.com")
        raise ValueError(f"it is the address of the web application: use https://{region}api.smith.langchain.com")
    return _API_PATH.sub("", url.rstrip("/"))

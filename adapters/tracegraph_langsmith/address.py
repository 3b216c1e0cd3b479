"""Which of LangSmith's documented addresses leads where."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_API = re.compile(r"/api(/v[12])?$")


_PAGES = re.compile(r"([a-z0-9-]+\.)?smith\.langchain\.com")


def normalize_base_url(url: str) -> str:
    """The address without `/api` or `/api/v1`, with which the vendor's own clients take it, or ValueError."""
    host = urlsplit(url).hostname or ""
    if _PAGES.fullmatch(host) and "api" not in host.split("."):
        region = host.removesuffix("smith.langchain.com")
        raise ValueError(
            f"that is the address of the pages for people: use https://{region}api.smith.langchain.com"
        )
    return _API.sub("", url.rstrip("/"))

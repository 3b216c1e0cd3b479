"""Normalization of the base URL of a NeMo service."""

from __future__ import annotations

import re

_INTAKE = re.compile(r"/apis(/intake(/v\d+)?)?$")


def normalize_base_url(url: str) -> str:
    """Return the service's base URL without its Intake path, which the adapter adds.

    Raises:
        ValueError: The URL contains a workspace.
    """
    plain = url.rstrip("/")
    if "/workspaces" in plain:
        raise ValueError("it contains a workspace: end it before /apis, and set the workspace in `workspace`")
    return _INTAKE.sub("", plain)

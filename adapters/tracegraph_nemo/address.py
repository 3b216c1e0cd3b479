"""Which addresses of a NeMo service lead to its Intake."""

from __future__ import annotations

import re

_INTAKE = re.compile(r"/apis(/intake(/v\d+)?)?$")


def normalize_base_url(url: str) -> str:
    """The service's address without the path of its Intake, which the adapter adds. Raises ValueError."""
    plain = url.rstrip("/")
    if "/workspaces" in plain:
        raise ValueError("it names a workspace: end it before /apis, and name the workspace in `workspace`")
    return _INTAKE.sub("", plain)

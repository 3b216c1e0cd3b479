"""The shape of everything that a simulated vendor holds."""

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One JSON object in a vendor's own words."""

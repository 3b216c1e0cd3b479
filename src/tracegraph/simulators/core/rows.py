"""The type of a simulated vendor's data."""

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One JSON object with the vendor's own field names."""

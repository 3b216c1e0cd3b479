"""Keeps the live tests out of every run that does not ask for them: `make live` does, by `-m live`."""

from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "live: needs the vendor's real service, which `make live` installs and runs"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing of this folder unless the run selects the marker."""
    del collection_path
    return None if "live" in str(config.option.markexpr) else True

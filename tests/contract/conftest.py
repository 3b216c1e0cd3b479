"""The contract suite over the transport of the test run (`make test-httpx`), with one seed in a quick run."""

from pathlib import Path
from typing import Literal, cast

import pytest

from tests.gateway import TRANSPORT
from tracegraph.testing import AdapterContract

AdapterContract.transport = cast("Literal['pooled', 'httpx']", TRANSPORT)
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every seed of a law but its first as slow: each draws another vendor for the same law."""
    first: dict[tuple[str, str], object] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and item.path.parent == FOLDER and "seed" in callspec.params:
            others = {name: value for name, value in callspec.params.items() if name != "seed"}
            law = (item.nodeid.partition("[")[0], repr(others))
            if first.setdefault(law, callspec.params["seed"]) != callspec.params["seed"]:
                item.add_marker(pytest.mark.slow)

"""The contract suite over the transport of the test run (`make test-httpx`), with fewer cases in a quick run."""

from pathlib import Path
from typing import Any, Literal, cast

import pytest

from tests.gateway import TRANSPORT
from tracegraph.testing import AdapterContract
from tracegraph.testing.failures import FailureLaws
from tracegraph.testing.listing import ListingLaws
from tracegraph.testing.subject import EXPERIMENT_ORDERS
from tracegraph.testing.use import UseLaws

AdapterContract.transport = cast("Literal['pooled', 'httpx']", TRANSPORT)
FOLDER = Path(__file__).parent

QUICK_ORDERS = [EXPERIMENT_ORDERS[1], EXPERIMENT_ORDERS[4]]
"""The orders of experiments that a quick run plays: the default, and one by text."""

OLDER_DIALECTS = {("TestNemo", None), ("TestLangSmith", "v1")}
"""The older of an adapter's two dialects, by class and configuration."""

SHARED_LAWS = (FailureLaws, ListingLaws, UseLaws)
"""The laws of code that dialects share, in the adapter and in federation: PagingLaws cover what differs.

A quick run plays them for the newer dialect only.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark further seeds and orders of a law as slow, and for an older dialect the laws of shared code.

    Each seed draws another vendor for the same law.
    """
    first: dict[tuple[str, str], object] = {}
    for item in items:
        if item.path.parent != FOLDER:
            continue
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        others = {name: value for name, value in params.items() if name != "seed"}
        law = (item.nodeid.partition("[")[0], repr(others))
        is_another_seed = first.setdefault(law, params.get("seed")) != params.get("seed")
        is_another_order = params.get("order") in EXPERIMENT_ORDERS and params["order"] not in QUICK_ORDERS
        if is_another_seed or is_another_order or _is_of_shared_code(item, params.get("_use_configuration")):
            item.add_marker(pytest.mark.slow)


def _is_of_shared_code(item: pytest.Item, configuration: str | None) -> bool:
    owner, law = getattr(item, "cls", None), getattr(item, "originalname", "")
    is_shared = any(hasattr(laws, law) for laws in SHARED_LAWS)
    return is_shared and owner is not None and (owner.__name__, configuration) in OLDER_DIALECTS

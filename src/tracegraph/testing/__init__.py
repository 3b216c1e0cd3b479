"""The contract suite: tests that every adapter must pass against its vendor's simulator over real HTTP.

A vendor declares its simulator and its adapter's options. The suite supplies the tests:

    from tracegraph.testing import AdapterContract, Example, Vendor

    class Acme(Vendor):
        ...                                     # a simulator, its rows, how to add and remove them

    class TestAcme(AdapterContract):
        open_adapter = staticmethod(open_adapter)
        vendor = Acme
        options = {"api_key": SecretStr(SECRET)}
        secret = SECRET
        unknown_refs = ("no-such-project",)
        nameless_experiments = {"projects": [{"created": "2026-01-01T00:00:00Z"}]}
        nameless_sessions = {"chats": [{"started": "2026-01-01T00:00:00Z"}]}
        session_examples = (Example({"id": "a", "state": "done", "seconds": 1.5}, {"latency_ms": 1500.0}),)

A vendor with several dialects, kinds of paging or credentials names a `Configuration` for each, and every law runs
for each of them:

    class TestAcme(AdapterContract):
        open_adapter = staticmethod(open_adapter)
        configurations = {"v1": Configuration(vendor=AcmeV1, ...), "v2": Configuration(vendor=AcmeV2, ...)}

`tracegraph new-adapter` writes such a test with its simulator. The simulator is a
`tracegraph.simulators.core.simulator.Simulator` around the vendor's routes. It records every call and injects
faults on request. `open_mocked` opens the adapter over an `httpx.MockTransport`, for unit tests without a server.
The suite needs pytest, and pytest-asyncio in its auto mode. No other part of the gateway needs
them.
"""

import pytest

_LAWS = (
    *(
        "declared_filters",
        "details",
        "examples",
        "failures",
        "filters",
        "listing",
        "lookup",
        "paging",
        "port_pages",
        "spans",
        "subject",
    ),
    *("use", "values"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _LAWS))

from tracegraph.testing.configuration import Configuration, Example  # noqa: E402 - pytest must rewrite asserts first
from tracegraph.testing.contract import AdapterContract  # noqa: E402
from tracegraph.testing.mocked import open_mocked  # noqa: E402
from tracegraph.testing.subject import Subject  # noqa: E402
from tracegraph.testing.vendor import Vendor, instant, maybe, odd  # noqa: E402

__all__ = [
    "AdapterContract",
    "Configuration",
    "Example",
    "Subject",
    "Vendor",
    "instant",
    "maybe",
    "odd",
    "open_mocked",
]

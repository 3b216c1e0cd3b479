"""The contract suite: tests that every adapter must pass against its vendor's simulator over real HTTP.

A vendor declares its simulator and its adapter's options. The suite supplies the tests:

    from tracegraph.testing import AdapterContract, Vendor

    class Acme(Vendor):
        ...                                     # a simulator, its rows, how to add and remove them

    class TestAcme(AdapterContract):
        vendor = Acme
        open_adapter = staticmethod(open_adapter)
        options = {"api_key": SecretStr(SECRET)}
        secret = SECRET
        unknown_refs = ("no-such-project",)
        nameless_experiments = {"projects": [{"created": "2026-01-01T00:00:00Z"}]}
        nameless_sessions = {"chats": [{"started": "2026-01-01T00:00:00Z"}]}

The simulator is a `tracegraph.simulators.core.simulator.Simulator` around the vendor's routes. It records every
call and injects faults on request. The suite needs pytest, and pytest-asyncio in its auto mode. No other part of
the gateway needs them.
"""

import pytest

_LAWS = ("failures", "filters", "listing", "lookup", "subject", "use", "values")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _LAWS))

from tracegraph.testing.contract import AdapterContract  # noqa: E402 - pytest must rewrite its asserts first
from tracegraph.testing.subject import Subject  # noqa: E402
from tracegraph.testing.vendor import Vendor, instant, maybe, odd  # noqa: E402

__all__ = ["AdapterContract", "Subject", "Vendor", "instant", "maybe", "odd"]

"""Keeps the live tests out of every run that does not ask for them, and runs the services for those that do.

All tests of a vendor share its services, which are seeded once, and one gateway over them.
"""

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.live.gateway import Gateway, Intake, Live, gateway_over
from tests.live.ingest import seed
from tests.live.releases import Release, selected
from tests.live.service import running


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "live: needs the vendor's real services, which `make live` installs and runs"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing of this folder unless the run selects the marker."""
    del collection_path
    return None if "live" in str(config.option.markexpr) else True


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def intakes(client: httpx.Client) -> Iterator[Mapping[Release, Intake]]:
    """The services by release, side by side. They end with the tests, on a TERM signal too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        services = [stack.enter_context(running(release)) for release in selected()]
        yield {
            service.release: Intake(client, service, seed(service.base_url, service.release))
            for service in services
        }


@pytest.fixture(scope="session")
def gateway(
    intakes: Mapping[Release, Intake], client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway over all services."""
    with gateway_over([*intakes.values()], client, tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


@pytest.fixture(scope="session", params=selected(), ids=str)
def live(request: pytest.FixtureRequest, intakes: Mapping[Release, Intake], gateway: Gateway) -> Live:
    """A service, and the gateway over it: each test runs for each release."""
    return Live(intakes[request.param], gateway)

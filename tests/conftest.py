"""Three simulated vendors with empty worlds, and the gateway over them."""

import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.examples import plays_all
from tests.gateway import Gateway, Vendors, in_process, over_http
from tracegraph.observability.logging import ForwardingHandler
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

# A machine that does other things too is no finding. A quick run plays a third of hypothesis's number of examples,
# and the same ones each time: what it finds is the change's. `make test-slow` draws new ones.
settings.register_profile(
    "gateway",
    max_examples=100 if plays_all() else 35,
    deadline=None,
    derandomize=not plays_all(),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gateway")

# What a collection of tests creates, lives to the end: garbage collections would take a fifth of its time.
gc.disable()

# Started in the background, pytest ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Under nohup, the same goes for the end of a terminal.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores, since half of what tests take is waiting: for deadlines, for processes that start."""
    return min(2 * len(os.sched_getaffinity(0)), MOST_WORKERS)


MOST_WORKERS = 8
"""Each collects all tests first, which takes some ten seconds of a core."""


def pytest_collection_finish() -> None:
    """Leave the collected tests out of garbage collections, each of which would visit them all."""
    gc.enable()
    gc.collect()
    gc.freeze()


OpenGateway = Callable[..., Awaitable[Gateway]]


def configure_plain_tracebacks() -> None:
    """Log exceptions without the values of variables, which take a quarter of a second to print."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """A command that ran within a test leaves its log to no other test."""
    configure_plain_tracebacks()
    yield
    structlog.reset_defaults()
    for handler in logging.getLogger().handlers.copy():
        if isinstance(handler, ForwardingHandler):
            logging.getLogger().removeHandler(handler)


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """NeMo, LangSmith and Meibel on loopback; the test fills their worlds, also after the gateway started."""
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as opened:
        yield opened


@pytest.fixture
async def open_gateway(vendors: Vendors) -> AsyncIterator[OpenGateway]:
    """Opens a gateway over the vendors, with tables of the configuration: `await open_gateway(limits={...})`."""
    async with AsyncExitStack() as stack:

        async def opened(**tables: object) -> Gateway:
            return await stack.enter_async_context(in_process(vendors.settings(**tables)))

        yield opened


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> Gateway:
    """The gateway over the vendors, with the defaults."""
    return await open_gateway()


@pytest.fixture
async def served(vendors: Vendors) -> AsyncIterator[Gateway]:
    """The same over a socket."""
    async with over_http(vendors.settings()) as opened:
        yield opened

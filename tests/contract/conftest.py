"""The contract suite over the transport of the test run (`make test-httpx`)."""

from typing import Literal, cast

from tests.gateway import TRANSPORT
from tracegraph.testing import AdapterContract

AdapterContract.transport = cast("Literal['pooled', 'httpx']", TRANSPORT)

"""The supervisor, with workers that never serve."""

import sys
from multiprocessing.connection import Connection

import pytest
from structlog.testing import capture_logs

from tracegraph.errors import ConfigurationError
from tracegraph.server.supervisor import Supervisor


def cannot_start(_: Connection) -> None:
    """Exit like a worker with an invalid configuration."""
    sys.exit(3)


def test_workers_that_never_serve_are_not_restarted() -> None:
    with capture_logs() as logs, pytest.raises(ConfigurationError, match="could not start"):
        Supervisor(cannot_start, (), 2, check=lambda: None, at_end=lambda: None).run()
    ends = [line for line in logs if line["event"] == "worker.ended"]
    assert [line["exit_code"] for line in ends][:1] == [3]
    assert len(ends) == 2

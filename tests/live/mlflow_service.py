"""An MLflow tracking server, from PyPI, on this machine: `make live` runs the gateway against it.

python -m tests.live.mlflow_service     # starts a server, prints its address, stops it on Ctrl-C
"""

import contextlib
import signal
import sys
from collections.abc import Iterator

from tests.live.service import HERE, LIVE, SOURCES
from tracegraph.real_servers.servers import MLFLOW, Running, running


@contextlib.contextmanager
def running_mlflow() -> Iterator[Running]:
    """A server with the content of `mlflow_ingest.py`, stopped and removed at the end."""
    MLFLOW.environment.install_in(LIVE)
    with running(MLFLOW, LIVE, PYTHONPATH=SOURCES) as server:
        server.ingest(script=HERE / "mlflow_ingest.py")
        yield server


def main() -> None:
    """Run a server with the content of the tests until Ctrl-C or a TERM signal."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt), running_mlflow() as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()

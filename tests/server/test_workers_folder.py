"""The folder in which several workers share metrics: configured, in shared memory, or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracegraph.errors import ConfigurationError
from tracegraph.server.run import workers_folder

PRINT = """
from tracegraph.server.run import workers_folder
with workers_folder(None) as folder:
    print("shared:", folder)
"""


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder within has a random name


@pytest.mark.skipif(not os.access(SHARED_MEMORY, os.W_OK), reason="the system has no shared memory as a folder")
def test_the_folder_is_in_shared_memory_and_removed_at_the_end() -> None:
    with workers_folder(None) as folder:
        assert folder is not None
        assert folder.parent == SHARED_MEMORY
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_configured_directory_has_the_folder(tmp_path: Path) -> None:
    with workers_folder(str(tmp_path)) as folder:
        assert folder is not None
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_configured_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"metrics\.directory is .*/missing"),
        workers_folder(str(tmp_path / "missing")),
    ):
        pass


def test_where_nothing_can_be_written_each_worker_has_its_own_metrics() -> None:
    command = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-c", PRINT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "metrics.not_shared" in done.stdout
    assert done.stdout.endswith("shared: None\n")

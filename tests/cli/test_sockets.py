"""`tracegraph serve` on a Unix or inherited socket, with a service manager, and with no place to write."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest

from tests.cli.conftest import Running
from tests.cli.test_serve import until
from tests.processes import COMMAND, started
from tracegraph.simulators.nemo.world import nemo_experiment

QUERY = {"query": "{ experiments { nodes { name } } }"}


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a service manager, and the notifications that it received."""
    address, received = str(tmp_path / "notify"), list[str]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)

        def gather() -> None:
            while text := receiver.recv(200):
                received.append(text.decode().splitlines()[0])

        gathering = threading.Thread(target=gather)
        gathering.start()
        yield address, received
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", address)
        gathering.join()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_workers_serve_a_unix_socket_and_notify_the_service_manager(
    vendors_running: Running, tmp_path: Path, notified: tuple[str, list[str]], workers: int
) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    path = tmp_path / "http.sock"
    address, received = notified
    config = vendors_running.config(f'[server]\nuds = "{path}"\nworkers = {workers}\n')
    with started("serve", "--config", config, env=vendors_running.env | {"NOTIFY_SOCKET": address}) as process:
        assert until(lambda: received == ["READY=1"]), process.err
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
            assert client.post("/graphql", json=QUERY).json()["data"]["experiments"]["nodes"] == [{"name": "e"}]
        process.send(signal.SIGHUP)
        assert until(lambda: received[1:] == ["RELOADING=1", "READY=1"]), received
        process.send(signal.SIGTERM)
        assert process.end() == 0
        (start,) = [
            line for line in map(orjson.loads, process.err.splitlines()) if line["event"] == "server.started"
        ]
    assert (start["url"], start["workers"]) == (f"unix:{path}", workers)
    assert received[3:] == ["STOPPING=1"]
    assert not path.exists()


def test_an_inherited_socket_is_served(vendors_running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as parents:
        config = vendors_running.config(f"[server]\nfd = {parents.fileno()}\n")
        command = [COMMAND, "serve", "--config", config]
        process = subprocess.Popen(
            command, env=vendors_running.env, pass_fds=[parents.fileno()], stderr=subprocess.PIPE, text=True
        )
        try:
            url = f"http://127.0.0.1:{parents.getsockname()[1]}/graphql"
            assert httpx.post(url, json=QUERY, timeout=60, trust_env=False).json()["data"]["experiments"] == {
                "nodes": []
            }
        finally:
            process.terminate()
            _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in log


def test_an_inherited_socket_beyond_loopback_needs_authentication(vendors_running: Running) -> None:
    with closing(socket.socket()) as parents:
        parents.bind(("0.0.0.0", 0))  # noqa: S104 - nobody listens
        config = vendors_running.config(f"[server]\nfd = {parents.fileno()}\n")
        command = [COMMAND, "serve", "--config", config]
        done = subprocess.run(
            command,
            env=vendors_running.env,
            pass_fds=[parents.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "would listen on 0.0.0.0 without authentication" in done.stderr


READ_ONLY = (
    "mount --make-rprivate / && "
    "for each in /dev/shm /var/tmp /run; do mount -t tmpfs -o ro none $each; done && "
    "mount -o bind,ro /tmp /tmp && mount -o remount,bind,ro /tmp && mount -o remount,bind,ro / && "
    "! touch /tmp/x /var/tmp/x /dev/shm/x /x 2>/dev/null && cd / && exec "
)


def may_unshare() -> bool:
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"{READ_ONLY} true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="a read-only file system of its own needs the right to mount")
@pytest.mark.slow
def test_two_workers_serve_on_a_file_system_without_a_place_to_write(vendors_running: Running) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = vendors_running.config()
    serve = f"{READ_ONLY} {COMMAND} serve --config {config} --workers 2 --port {port}"
    env = vendors_running.env | {"PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", serve], env=env, stderr=subprocess.PIPE, text=True)

    def answers() -> bool:
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=QUERY, timeout=30, trust_env=False)
        except httpx.TransportError:
            return False
        return bool(answer.json()["data"]["experiments"]["nodes"] == [{"name": "e"}])

    try:
        assert until(answers, 60)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    events = [orjson.loads(line)["event"] for line in log.splitlines()]
    assert "metrics.not_shared" in events
    assert "process.uncaught_exception" not in events

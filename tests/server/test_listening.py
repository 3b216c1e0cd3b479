"""The socket of the gateway: a Unix socket, an inherited one, and what is refused."""

import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tracegraph.errors import ConfigurationError
from tracegraph.server.listening import endpoint_url, host_of, inherited, listen_at_path, remove_path
from tracegraph.server.systemd import READY, notify, reloading


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "http.sock")


def test_a_unix_socket_admits_its_owner_and_group_and_is_removed_at_the_end(path: str) -> None:
    with closing(listen_at_path(path)) as opened:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
        assert endpoint_url(opened, "ignored") == f"unix:{path}"
        remove_path(opened, path)
    assert not Path(path).exists()


def test_the_socket_of_a_process_that_has_ended_is_replaced(path: str) -> None:
    listen_at_path(path).close()
    with closing(listen_at_path(path)) as opened:
        opened.listen()
        with pytest.raises(ConfigurationError, match=r"server\.uds is .* Address already in use"):
            listen_at_path(path)


def test_a_file_at_the_path_is_kept(path: str) -> None:
    Path(path).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="Address already in use"):
        listen_at_path(path)
    assert Path(path).read_text(encoding="utf-8") == "mine"


def test_an_inherited_socket_keeps_its_address() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as parents,
        closing(inherited(os.dup(parents.fileno()))) as opened,
    ):
        assert opened.getsockname() == parents.getsockname()
        assert host_of(opened) == "127.0.0.1"


def test_a_descriptor_that_is_no_stream_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for number in (file.fileno(), datagrams.fileno(), 999_999):
            with pytest.raises(ConfigurationError, match=r"server\.fd is \d+, which is no socket"):
                inherited(number)


def test_notifications_reach_the_socket_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify(READY)
        notify(reloading())
        assert receiver.recv(100) == b"READY=1"
        assert receiver.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notify(READY)  # nobody receives it, and nothing fails

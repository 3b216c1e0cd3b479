"""A vendor rejects the key of a source with 401: a key from a file is read anew, any other key is not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.upstream.conftest import READ, Connect, failure
from tracegraph.domain.secrets import resolve, resolved_secrets
from tracegraph.errors import SourceUnauthorized
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream

OLD, NEW = "the-first-key-of-the-tests", "the-second-key-of-the-tests"

Open = Callable[[], Awaitable[Upstream]]


@pytest.fixture
def vendor() -> Simulator:
    """Accepts the second key alone."""

    def answer(request: Request) -> Response:
        accepted = request.headers["authorization"] == f"Bearer {NEW}"
        return JSONResponse({}, 200 if accepted else 401)

    return Simulator(Starlette(routes=[Route("/things", answer)]), lambda status: {"detail": f"status {status}"})


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Holds the first key."""
    path = tmp_path / "key"
    path.write_text(OLD)
    return path


@pytest.fixture
def connect_with_key(connect: Connect, vendor: Simulator, key_file: Path) -> Open:
    """Opens a client with the key of the file."""

    async def opened() -> Upstream:
        key = resolve(f"file:{key_file}").get_secret_value()
        return (await connect(vendor)).with_credential({"authorization": SecretStr(f"Bearer {key}")})

    return opened


def replace(key_file: Path, content: str) -> None:
    key_file.write_text(content)


def remove(key_file: Path) -> None:
    key_file.unlink()


async def test_a_key_that_was_replaced_in_its_file_is_sent_in_the_same_call(
    connect_with_key: Open, vendor: Simulator, key_file: Path
) -> None:
    upstream = await connect_with_key()
    replace(key_file, f"{NEW}\n")
    response = await upstream.fetch(READ)
    assert (response.provenance.upstream_requests, len(vendor.calls)) == (2, 2)


async def test_later_calls_send_the_new_key_at_once(
    connect_with_key: Open, vendor: Simulator, key_file: Path
) -> None:
    upstream = await connect_with_key()
    replace(key_file, NEW)
    await upstream.fetch(READ)
    await upstream.fetch(READ)
    assert len(vendor.calls) == 3


async def test_calls_that_are_rejected_together_all_send_the_new_key(
    connect_with_key: Open, vendor: Simulator, key_file: Path
) -> None:
    upstream = await connect_with_key()
    replace(key_file, NEW)
    await asyncio.gather(*(upstream.fetch(READ) for _ in range(3)))
    assert len(vendor.calls) <= 6


async def test_an_unchanged_key_is_not_sent_twice(connect_with_key: Open, vendor: Simulator) -> None:
    error = await failure(await connect_with_key())
    assert (type(error), error.upstream_requests, len(vendor.calls)) == (SourceUnauthorized, 1, 1)


@pytest.mark.parametrize("content", ["", '"quoted"', "\x00"])
async def test_a_file_without_a_usable_key_leaves_the_rejection(
    connect_with_key: Open, key_file: Path, content: str
) -> None:
    upstream = await connect_with_key()
    replace(key_file, content)
    assert type(await failure(upstream)) is SourceUnauthorized


async def test_a_removed_file_leaves_the_rejection(connect_with_key: Open, key_file: Path) -> None:
    upstream = await connect_with_key()
    remove(key_file)
    assert type(await failure(upstream)) is SourceUnauthorized


async def test_the_new_key_is_redacted_in_logs_like_any_other(connect_with_key: Open, key_file: Path) -> None:
    upstream = await connect_with_key()
    replace(key_file, NEW)
    await upstream.fetch(READ)
    assert NEW in resolved_secrets()

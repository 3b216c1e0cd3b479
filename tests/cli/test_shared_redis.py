"""Two gateway processes over one Redis: they share answers, and what Redis does costs no answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cli.conftest import Running
from tests.cli.test_serve import served, until
from tests.processes import Process, started
from tests.redis_server import COMMAND, RedisServer, running_redis
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

pytestmark = pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")

QUERY = "{ experiments { nodes { name } sources { status upstreamRequests } } }"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def calls(vendors: Running) -> tuple[int, int]:
    """The calls for rows: each process finds out once which interface a vendor has."""
    return _rows(vendors.nemo), _rows(vendors.langsmith)


def _rows(vendor: Simulator) -> int:
    return sum(not call.path.endswith(("/info", "/cluster-info")) for call in vendor.calls)


def ask(url: str, **headers: str) -> list[str]:
    """The names of all experiments, which both vendors must have given."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = httpx.post(url, json={"query": QUERY}, headers=given, timeout=30, trust_env=False)
    experiments = answer.json()["data"]["experiments"]
    assert [source["status"] for source in experiments["sources"]] == ["OK"] * 3
    return sorted(node["name"] for node in experiments["nodes"])


@pytest.fixture
def two(vendors_running: Running, redis: RedisServer) -> Iterator[tuple[Process, Process]]:
    vendors_running.worlds[0].add(nemo_experiment("n"), [nemo_session("s")])
    vendors_running.worlds[1].add(langsmith_session("l"))
    config = vendors_running.config(f'[cache]\nurl = "{redis.url}"\nttl_s = 300\nredis_timeout_ms = 1000\n')
    command = ["serve", "--config", config, "--port", "0"]
    env = vendors_running.env
    with started(*command, env=env) as one, started(*command, env=env) as other:
        yield one, other


def test_two_processes_share_answers_whatever_redis_does_afterwards(
    two: tuple[Process, Process], vendors_running: Running, redis: RedisServer
) -> None:
    one, other = (served(process) for process in two)
    assert ask(one) == ["l", "n"]
    assert until(lambda: len(redis.keys()) >= 3)
    made = calls(vendors_running)
    assert ask(other) == ["l", "n"]
    assert calls(vendors_running) == made == (1, 1)

    redis.hang()
    assert ask(one, cache_control="no-cache") == ask(other, cache_control="no-cache") == ["l", "n"]
    redis.kill()
    assert ask(one, cache_control="no-cache") == ask(other, cache_control="no-cache") == ["l", "n"]
    assert calls(vendors_running) == (5, 5)
    log = "".join(process.err for process in two)
    assert not any(secret in log for secret in vendors_running.secrets)


@pytest.mark.slow
def test_50_clients_of_two_processes_that_miss_one_cold_key_make_two_calls_at_most(
    two: tuple[Process, Process], vendors_running: Running
) -> None:
    urls = [served(process) for process in two]
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(ask, urls * 25))
    assert answers == [["l", "n"]] * 50
    assert all(1 <= made <= 2 for made in calls(vendors_running))

"""`tracegraph demo`: the first minute of a newcomer."""

import signal
import time

import httpx

from tests.processes import started


def test_the_demo_shows_a_query_and_its_answer_serves_them_and_ends_with_ctrl_c() -> None:
    with started("demo", "--port", "0") as process:
        url = process.url()
        process.wait_for("Ctrl-C")
        shown = process.out
        assert "experiments(first: 8)" in shown
        table = shown.partition("and its answer")[2]
        assert all(vendor in table for vendor in ("nemo", "langsmith", "meibel"))
        answer = httpx.post(url, json={"query": "{ sources { health { status } } }"}, timeout=30, trust_env=False)
        assert [one["health"]["status"] for one in answer.json()["data"]["sources"]] == ["UP"] * 3
        began = time.monotonic()
        process.send(signal.SIGINT)
        assert process.end() == 130
        assert time.monotonic() - began < 15
        assert process.err == ""


def test_the_demo_ends_with_sigterm_too() -> None:
    with started("demo", "--port", "0") as process:
        process.wait_for("Ctrl-C")
        process.send(signal.SIGTERM)
        assert (process.end(), process.err) == (0, "")

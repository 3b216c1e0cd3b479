"""Every fault, every vendor and every kind of query, over real connections, with and without the cache.

For any fault, the response comes by the deadline and the other vendors' rows are complete. The report has the
right code and reveals nothing of the vendor. The next query after the fault is complete again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.examples import diagonal
from tests.gateway import MEIBEL, NAMES, Answer, Gateway
from tests.reliability.stacks import QUERY_CASES, VENDOR_TEXT, QueryCase, Stacks, list_without
from tracegraph.config.settings import LogSettings
from tracegraph.observability.logging import configure_logs
from tracegraph.simulators.core.certificates import self_signed
from tracegraph.simulators.core.servers import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 30.0
TIMEOUT_S = 3.0
"""Of the source that fails, for faults that only a time-out ends: a hang, and a drip that takes minutes."""

BODY = {"detail": f"{VENDOR_TEXT}: no such key at https://internal.example"}
FAULTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "never answers": ({"kind": "hang"}, "TIMEOUT"),
    "drips its answer": ({"kind": "drip", "seconds": 60}, "TIMEOUT"),
    "answers 504": ({"kind": "status", "status": 504, "body": BODY}, "TIMEOUT"),
    "answers 503": ({"kind": "status", "status": 503, "body": BODY}, "UNAVAILABLE"),
    "resets the connection": ({"kind": "reset"}, "UNAVAILABLE"),
    "breaks off its answer": ({"kind": "truncate"}, "UNAVAILABLE"),
    "answers 429": ({"kind": "status", "status": 429, "body": BODY}, "RATE_LIMITED"),
    "answers 429 and names a second": (
        {"kind": "status", "status": 429, "retry_after": "1", "body": BODY},
        "RATE_LIMITED",
    ),
    "answers 401": ({"kind": "status", "status": 401, "body": BODY}, "UNAUTHORIZED"),
    "answers 400": ({"kind": "status", "status": 400, "body": BODY}, "BAD_REQUEST"),
    "answers with a web page": ({"kind": "html"}, "BAD_RESPONSE"),
    "answers with no JSON": ({"kind": "not_json"}, "BAD_RESPONSE"),
    "answers with another shape": ({"kind": "wrong_shape", "body": BODY}, "BAD_RESPONSE"),
    "never ends its answer": ({"kind": "endless"}, "BAD_RESPONSE"),
    "redirects": ({"kind": "redirect", "location": f"http://127.0.0.1:9/{VENDOR_TEXT}"}, "BAD_RESPONSE"),
    "mislabels its right answer": ({"kind": "content_type"}, None),
}
"""The fault and the expected code of the report; None where the response is complete."""


CACHES: dict[str, dict[str, Any]] = {"default cache": {}, "no cache": {"url": "off"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stacks() -> AsyncIterator[Stacks]:
    async with Stacks.open() as stack:
        yield stack


@dataclass(frozen=True, slots=True)
class GatewayCase:
    """One query to its own gateway."""

    query_case: QueryCase
    cache: str
    gateway: Gateway


@pytest.mark.parametrize(("fault_name", "failed"), diagonal(FAULTS, NAMES))
async def test_a_vendor_that(
    stacks: Stacks,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    fault_name: str,
    failed: str,
) -> None:
    configure_logs(LogSettings(level="info", format="json"))
    fault, code = FAULTS[fault_name]
    timeouts_s = {failed: TIMEOUT_S} if fault["kind"] in {"hang", "drip"} else {}
    async with cases_of(stacks, timeouts_s) as cases:
        for query_case in QUERY_CASES:
            stacks.fail(query_case, failed, **fault)
        answers = await ask_all(cases)
        for query_case in QUERY_CASES:
            stacks.vendors[query_case.name].named(failed).recover()
        after = await ask_all(cases)
    for case, answer, later in zip(cases, answers, after, strict=True):
        if code is None:
            check_complete(stacks, case.query_case, answer)
        else:
            check_failed(stacks, case.query_case, answer, failed, code)
        check_complete(stacks, case.query_case, later)
    assert leaked(stacks, [*answers, *after], capsys.readouterr().err + caplog.text) == []


PORTS = ["is closed", "refuses TLS", "has a certificate that nobody trusts"]


@pytest.mark.parametrize(("fault_name", "failed"), diagonal(PORTS, NAMES))
async def test_a_vendor_whose_port(
    stacks: Stacks,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    fault_name: str,
    failed: str,
) -> None:
    """Each port is UNAVAILABLE for every query. Only a closed port opens again at its address."""
    configure_logs(LogSettings(level="info", format="json"))
    async with AsyncExitStack() as stack:
        base_urls = {
            query_case.name: await broken_port(stack, stacks, query_case, failed, fault_name)
            for query_case in QUERY_CASES
        }
        async with cases_of(stacks, base_urls=base_urls) as cases:
            answers = await ask_all(cases)
            if fault_name == "is closed":
                for query_case in QUERY_CASES:
                    await stacks.vendors[query_case.name].named(failed).start()
            after = await ask_all(cases)
    for case, answer, later in zip(cases, answers, after, strict=True):
        check_unreachable(stacks, case.query_case, answer, failed)
        if fault_name == "is closed":
            check_complete(stacks, case.query_case, later)
        else:
            check_unreachable(stacks, case.query_case, later, failed)
    assert leaked(stacks, [*answers, *after], capsys.readouterr().err + caplog.text) == []


async def broken_port(
    stack: AsyncExitStack, stacks: Stacks, query_case: QueryCase, failed: str, fault_name: str
) -> dict[str, str]:
    """Break the vendor's port, and return the base URL that shows it."""
    vendor = stacks.vendors[query_case.name].named(failed)
    if fault_name == "is closed":
        await vendor.stop()
        return {}
    path = "/v2" if failed == MEIBEL else ""
    if fault_name == "refuses TLS":  # a plain HTTP port
        return {failed: vendor.url.replace("http://", "https://") + path}
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command, which creates the certificate, is not installed")
    url = await stack.enter_async_context(running(vendor.simulator, tls=self_signed()))
    return {failed: url + path}


@asynccontextmanager
async def cases_of(
    stacks: Stacks,
    timeouts_s: Mapping[str, float] | None = None,
    base_urls: Mapping[str, dict[str, str]] | None = None,
) -> AsyncIterator[list[GatewayCase]]:
    """Yield a fresh gateway for every query and every cache; `base_urls` is by query, `timeouts_s` by source."""
    async with AsyncExitStack() as stack:
        cases = []
        for query_case in QUERY_CASES:
            for cache, table in CACHES.items():
                gateway = stacks.gateway(
                    query_case,
                    base_urls=(base_urls or {}).get(query_case.name),
                    timeouts_s=timeouts_s,
                    limits={"deadline_s": DEADLINE_S},
                    cache=table,
                )
                cases.append(GatewayCase(query_case, cache, await stack.enter_async_context(gateway)))
        yield cases


async def ask_all(cases: list[GatewayCase]) -> list[Answer]:
    return list(await asyncio.gather(*(case.gateway.ask(case.query_case.query) for case in cases)))


def check_failed(stacks: Stacks, query_case: QueryCase, answer: Answer, failed: str, code: str) -> None:
    complete = stacks.complete[query_case.name]
    assert answer.status == 200
    assert (query_case.name, answer.partial) == (query_case.name, query_case.without(complete, failed))
    assert (query_case.name, answer.codes) == (query_case.name, [f"SOURCE_{code}"] * query_case.errors)
    assert {error["extensions"]["source"] for error in answer.errors} <= {failed}
    if "experiments" in complete:
        assert (query_case.name, answer.troubles) == (query_case.name, {failed: code})


def check_complete(stacks: Stacks, query_case: QueryCase, answer: Answer) -> None:
    assert (query_case.name, answer.data) == (query_case.name, stacks.complete[query_case.name])
    assert answer.troubles == {}


def check_unreachable(stacks: Stacks, query_case: QueryCase, answer: Answer, failed: str) -> None:
    """With an unreachable vendor, a nested list lacks even the vendor's experiments."""
    complete = stacks.complete[query_case.name]
    without = list_without if "experiments" in complete else query_case.without
    assert (query_case.name, answer.partial) == (query_case.name, without(complete, failed))
    assert answer.codes == ([] if "experiments" in complete else ["SOURCE_UNAVAILABLE"] * query_case.errors)
    assert answer.troubles == ({failed: "UNAVAILABLE"} if "experiments" in complete else {})


def leaked(stacks: Stacks, answers: list[Answer], logged: str) -> list[str]:
    """Return the vendors' addresses, keys, headers and texts in the responses and the log."""
    shown = logged + "".join(answer.content.decode() + str(answer.headers) for answer in answers)
    return [word for word in stacks.secret_texts if word in shown.lower()]

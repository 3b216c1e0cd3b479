"""Every fault x every vendor x every kind of question, over real connections, with the cache and without.

Whatever a vendor does: the answer comes by the deadline, the other vendors' rows are whole, the report tells the
right code, nothing of the vendor's shows, and the next query after the fault is whole again.
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

from tests.gateway import MEIBEL, NAMES, Answer, Gateway
from tests.reliability.stacks import MARK, QUESTIONS, Question, Stacks, list_without
from tracegraph.config.settings import LogSettings
from tracegraph.observability.logging import configure_logs
from tracegraph.simulators.core.certificates import self_signed
from tracegraph.simulators.core.servers import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 30.0
SHORT_DEADLINE_S = 5.0
"""For what ends by the deadline only: nothing else ends a vendor that hangs, and one that drips takes minutes."""

SAID = {"detail": f"{MARK}: no such key at https://internal.example"}
FAULTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "never answers": ({"kind": "hang"}, "TIMEOUT"),
    "drips its answer": ({"kind": "drip", "seconds": 60}, "TIMEOUT"),
    "answers 504": ({"kind": "status", "status": 504, "body": SAID}, "TIMEOUT"),
    "answers 503": ({"kind": "status", "status": 503, "body": SAID}, "UNAVAILABLE"),
    "resets the connection": ({"kind": "reset"}, "UNAVAILABLE"),
    "breaks off its answer": ({"kind": "truncate"}, "UNAVAILABLE"),
    "answers 429": ({"kind": "status", "status": 429, "body": SAID}, "RATE_LIMITED"),
    "answers 429 and names a second": (
        {"kind": "status", "status": 429, "retry_after": "1", "body": SAID},
        "RATE_LIMITED",
    ),
    "answers 401": ({"kind": "status", "status": 401, "body": SAID}, "UNAUTHORIZED"),
    "answers 400": ({"kind": "status", "status": 400, "body": SAID}, "BAD_REQUEST"),
    "answers with a web page": ({"kind": "html"}, "BAD_RESPONSE"),
    "answers with no JSON": ({"kind": "not_json"}, "BAD_RESPONSE"),
    "answers with another shape": ({"kind": "wrong_shape", "body": SAID}, "BAD_RESPONSE"),
    "never ends its answer": ({"kind": "endless"}, "BAD_RESPONSE"),
    "redirects": ({"kind": "redirect", "location": f"http://127.0.0.1:9/{MARK}"}, "BAD_RESPONSE"),
    "mislabels its right answer": ({"kind": "content_type"}, None),
}
"""The fault, and the code that the answer must tell; None where the answer is whole all the same."""


CACHES: dict[str, dict[str, Any]] = {"default cache": {}, "no cache": {"url": "off"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stacks() -> AsyncIterator[Stacks]:
    async with Stacks.open() as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Case:
    """One question to a gateway of its own."""

    question: Question
    cache: str
    gateway: Gateway


@pytest.mark.parametrize("failed", NAMES)
@pytest.mark.parametrize("what", FAULTS)
async def test_a_vendor_that(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, what: str, failed: str
) -> None:
    configure_logs(LogSettings(level="info", format="json"))
    fault, code = FAULTS[what]
    deadline_s = SHORT_DEADLINE_S if fault["kind"] in {"hang", "drip"} else DEADLINE_S
    async with cases_of(stacks, deadline_s) as cases:
        for question in QUESTIONS:
            stacks.fail(question, failed, **fault)
        answers = await ask_all(cases)
        for question in QUESTIONS:
            stacks.vendors[question.name].named(failed).recover()
        after = await ask_all(cases)
    for case, answer, later in zip(cases, answers, after, strict=True):
        if code is None:
            check_whole(stacks, case.question, answer)
        else:
            check_failed(stacks, case.question, answer, failed, code)
        check_whole(stacks, case.question, later)
    assert leaked(stacks, [*answers, *after], capsys.readouterr().err + caplog.text) == []


PORTS = ["is closed", "refuses TLS", "has a certificate that nobody trusts"]


@pytest.mark.parametrize("failed", NAMES)
@pytest.mark.parametrize("what", PORTS)
async def test_a_vendor_whose_port(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, what: str, failed: str
) -> None:
    """Each is UNAVAILABLE for every question; only a closed port opens again at its address."""
    configure_logs(LogSettings(level="info", format="json"))
    async with AsyncExitStack() as opened:
        elsewhere = {question.name: await port(opened, stacks, question, failed, what) for question in QUESTIONS}
        async with cases_of(stacks, elsewhere=elsewhere) as cases:
            answers = await ask_all(cases)
            if what == "is closed":
                for question in QUESTIONS:
                    await stacks.vendors[question.name].named(failed).start()
            after = await ask_all(cases)
    for case, answer, later in zip(cases, answers, after, strict=True):
        check_unreachable(stacks, case.question, answer, failed)
        if what == "is closed":
            check_whole(stacks, case.question, later)
        else:
            check_unreachable(stacks, case.question, later, failed)
    assert leaked(stacks, [*answers, *after], capsys.readouterr().err + caplog.text) == []


async def port(
    opened: AsyncExitStack, stacks: Stacks, question: Question, failed: str, what: str
) -> dict[str, str]:
    """Spoil the vendor's port, and give the base URL by which the gateway meets that."""
    vendor = stacks.vendors[question.name].named(failed)
    if what == "is closed":
        await vendor.stop()
        return {}
    path = "/v2" if failed == MEIBEL else ""
    if what == "refuses TLS":  # as a port does that speaks plain HTTP
        return {failed: vendor.url.replace("http://", "https://") + path}
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed, which makes the certificate")
    url = await opened.enter_async_context(running(vendor.simulator, tls=self_signed()))
    return {failed: url + path}


@asynccontextmanager
async def cases_of(
    stacks: Stacks, deadline_s: float = DEADLINE_S, elsewhere: Mapping[str, dict[str, str]] | None = None
) -> AsyncIterator[list[Case]]:
    """Every question with every cache, each to a fresh gateway; `elsewhere` holds base URLs by question."""
    async with AsyncExitStack() as opened:
        cases = []
        for question in QUESTIONS:
            for cache, table in CACHES.items():
                gateway = stacks.gateway(
                    question,
                    base_urls=(elsewhere or {}).get(question.name),
                    limits={"deadline_s": deadline_s},
                    cache=table,
                )
                cases.append(Case(question, cache, await opened.enter_async_context(gateway)))
        yield cases


async def ask_all(cases: list[Case]) -> list[Answer]:
    return list(await asyncio.gather(*(case.gateway.ask(case.question.query) for case in cases)))


def check_failed(stacks: Stacks, question: Question, answer: Answer, failed: str, code: str) -> None:
    whole = stacks.whole[question.name]
    assert answer.status == 200
    assert (question.name, answer.partial) == (question.name, question.without(whole, failed))
    assert (question.name, answer.codes) == (question.name, [f"SOURCE_{code}"] * question.errors)
    assert {error["extensions"]["source"] for error in answer.errors} <= {failed}
    if "experiments" in whole:
        assert (question.name, answer.troubles) == (question.name, {failed: code})


def check_whole(stacks: Stacks, question: Question, answer: Answer) -> None:
    assert (question.name, answer.data) == (question.name, stacks.whole[question.name])
    assert answer.troubles == {}


def check_unreachable(stacks: Stacks, question: Question, answer: Answer, failed: str) -> None:
    """Where the vendor cannot be reached at all, a nested list has not even its experiments."""
    whole = stacks.whole[question.name]
    without = list_without if "experiments" in whole else question.without
    assert (question.name, answer.partial) == (question.name, without(whole, failed))
    assert answer.codes == ([] if "experiments" in whole else ["SOURCE_UNAVAILABLE"] * question.errors)
    assert answer.troubles == ({failed: "UNAVAILABLE"} if "experiments" in whole else {})


def leaked(stacks: Stacks, answers: list[Answer], logged: str) -> list[str]:
    """What the answers or the log hold of the vendors' addresses, keys, headers and texts."""
    shown = logged + "".join(answer.content.decode() + str(answer.headers) for answer in answers)
    return [word for word in stacks.never_shown if word in shown.lower()]

# ruff: noqa: S101 - the contract consists of assertions
"""Examples: the vendor's declared objects become the declared values, whether listed or looked up."""

from __future__ import annotations

from tracegraph.domain.models import Experiment, Session, SessionRef, SessionStatus
from tracegraph.testing.configuration import Example
from tracegraph.testing.port_pages import longest_lists, read_sessions
from tracegraph.testing.subject import Contract, Subject, expect, rows

QUANTITIES = ("latency_ms", "first_token_ms", "cost_usd", "tokens")
"""The fields of a session with a unit, or with parts that can be swapped."""


class ExampleLaws(Contract):
    """The values of an adapter, by examples: no other law knows what a vendor's words and units mean."""

    async def test_each_example_of_an_experiment_has_the_declared_values(self) -> None:
        """Listed and looked up."""
        async with self.open_subject(71) as subject:
            for example in self.configuration.experiment_examples:
                ref = subject.vendor.insert_experiment(example.row)
                looked_up = (await subject.adapter.get_experiments([ref])).get(ref)
                listed = [row for row in rows(await subject.experiments()) if row.ref == ref]
                assert listed, f"the example {ref!r} is not listed: {example.row}"
                _check_values(example, listed[0])
                _check_values(example, expect(looked_up, Experiment))

    async def test_each_example_of_a_session_has_the_declared_values(self) -> None:
        """Listed and looked up."""
        async with self.open_subject(72) as subject:
            ref = next(iter(subject.vendor.experiments()))
            for example in self.configuration.session_examples:
                session_ref = SessionRef(ref, subject.vendor.insert_session(ref, example.row))
                listed = [row for row in await read_sessions(subject, ref, limit=100) if row.ref == session_ref]
                assert listed, f"the example {session_ref.session_id!r} is not listed: {example.row}"
                _check_values(example, listed[0])
                _check_values(example, (await subject.complete_sessions(listed))[session_ref])

    async def test_examples_show_each_status_and_each_quantity_that_occurs(self) -> None:
        """A status or a unit without an example can be wrong unnoticed."""
        async with self.open_subject(73) as subject:
            expected = [example.expected for example in self.configuration.session_examples]
            shown = {values["status"] for values in expected if "status" in values}
            statuses = subject.adapter.capabilities.statuses - shown - {SessionStatus.UNKNOWN}
            assert not statuses, (
                f"session_examples lack the statuses {sorted(status.value for status in statuses)}, "
                "which the capabilities declare: add a row of the vendor for each, with `status` among the "
                "expected values"
            )
            occurring = await _occurring_quantities(subject)
            lacking = [name for name in occurring if not any(values.get(name) for values in expected)]
            assert not lacking, (
                f"session_examples show no {', '.join(lacking)}, which occur: add a row of the vendor with "
                "the value that it means in the gateway's unit (milliseconds, USD, tokens)"
            )


async def _occurring_quantities(subject: Subject) -> list[str]:
    listed = [row for ref in longest_lists(subject) for row in await read_sessions(subject, ref, limit=100)]
    return [name for name in QUANTITIES if any(getattr(session, name) for session in listed)]


def _check_values(example: Example, row: Experiment | Session) -> None:
    for name, expected in example.expected.items():
        if name in row.deferred:
            continue
        value = getattr(row, name)
        assert value == expected, (
            f"{type(row).__name__}.{name} is {value!r} and must be {expected!r} for the example "
            f"{row.vendor_id!r}: correct the mapping, its words or its unit. The row: {example.row}"
        )

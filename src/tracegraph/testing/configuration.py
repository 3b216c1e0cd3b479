"""One way to run the suite: a vendor's simulator in one dialect, the adapter's options, examples of its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.testing.vendor import Vendor


@dataclass(frozen=True, slots=True)
class Example:
    """An object as the vendor sends it, and the values of `Session` or `Experiment` that it must become.

    Examples find what random content cannot: a wrong status, a wrong unit, a swapped field.
    """

    row: Row
    expected: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One simulator of a vendor, with the settings of the adapter.

    A vendor with several dialects, kinds of paging or credentials has a configuration for each.

    Attributes:
        vendor: Creates the vendor's simulator with random content.
        secret: The credential as text, which the simulator requires.
        unknown_refs: Texts that look like refs of this vendor and name nothing.
        nameless_experiments: The body of a list of experiments with a row without identity.
        nameless_sessions: The body of a list of sessions with a row without identity.
        options: The adapter's own settings, including the credential.
        base_path: Appended to the server's address.
        experiment_examples: Examples of experiments.
        session_examples: Examples of sessions: one for each status, and one for each quantity with a unit.
    """

    vendor: Callable[[Random], Vendor]
    secret: str
    unknown_refs: Sequence[str]
    nameless_experiments: Any
    nameless_sessions: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    base_path: str = ""
    experiment_examples: Sequence[Example] = ()
    session_examples: Sequence[Example] = ()

"""All tests of the contract, as the base class of a vendor's test class."""

from __future__ import annotations

from tracegraph.testing.declared_filters import DeclaredFilterLaws
from tracegraph.testing.details import DetailLaws
from tracegraph.testing.examples import ExampleLaws
from tracegraph.testing.failures import FailureLaws
from tracegraph.testing.filters import FilterLaws
from tracegraph.testing.listing import ListingLaws
from tracegraph.testing.lookup import LookupLaws
from tracegraph.testing.paging import PagingLaws
from tracegraph.testing.spans import SpanLaws
from tracegraph.testing.use import UseLaws
from tracegraph.testing.values import ValueLaws


class AdapterContract(
    PagingLaws,
    DeclaredFilterLaws,
    ExampleLaws,
    ListingLaws,
    FilterLaws,
    LookupLaws,
    SpanLaws,
    DetailLaws,
    ValueLaws,
    FailureLaws,
    UseLaws,
):
    """The complete contract. `tracegraph.testing.subject.Contract` documents what a vendor declares."""

"""The laws together: what a vendor's test class inherits from."""

from __future__ import annotations

from tracegraph.testing.failures import FailureLaws
from tracegraph.testing.filters import FilterLaws
from tracegraph.testing.listing import ListingLaws
from tracegraph.testing.lookup import LookupLaws
from tracegraph.testing.use import UseLaws
from tracegraph.testing.values import ValueLaws


class AdapterContract(ListingLaws, FilterLaws, LookupLaws, ValueLaws, FailureLaws, UseLaws):
    """Every law; see `tracegraph.testing.subject.Contract` for what a vendor states."""

"""A parser of `/metrics` for tests."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway import Gateway


class Scrape:
    """The samples of one response of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = [*text_string_to_metric_families(text)]
        self._values = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the series, or 0 for a series that does not exist."""
        return self._values.get((f"tracegraph_{name}", *sorted(labels.items())), 0.0)

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the values other than 0 by one label, of the series with these other labels."""
        full_name = f"tracegraph_{name}"
        return {
            sample.labels[label]: sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == full_name and sample.value and labels.items() <= sample.labels.items()
        }

    def labels(self, label: str) -> set[str]:
        """Return every value of a label in all series."""
        samples = (sample for family in self.families for sample in family.samples)
        return {sample.labels[label] for sample in samples if label in sample.labels}


async def scraped(gateway: Gateway) -> Scrape:
    """Request `/metrics` and parse the response."""
    response: Any = await gateway.http.get("/metrics")
    assert response.status_code == 200
    return Scrape(response.text)

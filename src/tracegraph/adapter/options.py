"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tracegraph.config.messages import dotted, first_error, path_of, sentence_of
from tracegraph.errors import ConfigurationError

Options = TypeVar("Options", bound=BaseModel)


class StrictOptions(BaseModel):
    """Base of an adapter's own settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One `[sources.<name>]` table: its name, its vendor and the keys that are the adapter's own.

    `common` names the keys that every vendor has, for messages.
    """

    name: str
    vendor: str
    options: Mapping[str, Any]
    origin: str = "the configuration"
    common: Sequence[str] = ("vendor", "base_url")

    def read(self, model: type[Options]) -> Options:
        """The adapter's own keys as its model; ConfigurationError names the key and the remedy."""
        try:
            return model.model_validate(dict(self.options))
        except ValidationError as error:
            raise ConfigurationError(self._complaint(error, model.model_fields)) from None

    def _complaint(self, error: ValidationError, known: Iterable[str]) -> str:
        first = first_error(error)
        key = dotted(["sources", self.name, *path_of(first, self.options)])
        if first["type"] == "extra_forbidden":
            words = ", ".join([*known, *self.common])
            return f"{self.origin}: {key} is not a setting of vendor {self.vendor!r}; it knows: {words}."
        if first["type"] == "missing":
            return f"{self.origin}: {key} is missing; vendor {self.vendor!r} needs it: add it."
        return f"{self.origin}: {key} cannot be used: {sentence_of(first)}."

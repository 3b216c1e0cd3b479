"""The settings of a source as its adapter sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tracegraph.config.messages import dotted, first_error, path_of, sentence_of
from tracegraph.errors import ConfigurationError

Options = TypeVar("Options", bound=BaseModel)


class StrictOptions(BaseModel):
    """The base class of an adapter's own settings; unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One `[sources.<name>]` table: its name, its vendor and the adapter's own keys.

    `common` names the keys that every vendor has, for messages. `base_url` is the address of the API, for links.
    """

    name: str
    vendor: str
    options: Mapping[str, Any]
    origin: str = "the configuration"
    common: Sequence[str] = ("vendor", "base_url")
    base_url: str = ""

    def read(self, model: type[Options]) -> Options:
        """Return the adapter's own keys as its model.

        Raises:
            ConfigurationError: With the key and the remedy.
        """
        try:
            return model.model_validate(dict(self.options))
        except ValidationError as error:
            raise ConfigurationError(self._message(error, model.model_fields)) from None

    def _message(self, error: ValidationError, options: Iterable[str]) -> str:
        first = first_error(error)
        key = dotted(["sources", self.name, *path_of(first, self.options)])
        if first["type"] == "extra_forbidden":
            keys = ", ".join([*options, *self.common])
            return f"{self.origin}: {key} is not a setting of vendor {self.vendor!r}; its keys are: {keys}."
        if first["type"] == "missing":
            return f"{self.origin}: {key} is missing; vendor {self.vendor!r} requires the key: add it."
        return f"{self.origin}: {key} cannot be used: {sentence_of(first)}."

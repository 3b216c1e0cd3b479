"""`[documents]`: operations that are known by their hash, and whether any others may be asked."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tracegraph.config.messages import Misfit
from tracegraph.config.sources import Table


class DocumentsTable(Table):
    """`trusted` is a manifest (JSON, `{sha256: document}` or Apollo's) or a folder of `.graphql` files.

    With `only_trusted` nothing else is run. Clients may else register `automatic` documents of their own by their
    hashes, together up to `automatic_mb`; 0 for none.
    """

    trusted: Annotated[str, Field(min_length=1)] | None = None
    only_trusted: bool = False
    automatic: int = Field(1000, ge=0, le=1_000_000)
    automatic_mb: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _something_is_trusted(self) -> Self:
        if self.only_trusted and self.trusted is None:
            raise Misfit("only_trusted", "without trusted it would refuse everything: name a manifest there")
        return self

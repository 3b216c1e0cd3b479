"""`[documents]`: persisted documents, and whether clients may send others."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tracegraph.config.messages import SettingError
from tracegraph.config.sources import Table


class DocumentsTable(Table):
    """`[documents]`.

    `trusted` is a manifest (JSON, `{sha256: document}` or Apollo's) or a folder of `.graphql` files. With
    `only_trusted` no other document runs. Otherwise clients may register `automatic` documents of their own by
    their hashes, 0 for none, in total up to `automatic_mb`.
    """

    trusted: Annotated[str, Field(min_length=1)] | None = None
    only_trusted: bool = False
    automatic: int = Field(1000, ge=0, le=1_000_000)
    automatic_mb: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _only_trusted_needs_trusted(self) -> Self:
        if self.only_trusted and self.trusted is None:
            raise SettingError("only_trusted", "without trusted, no document could run: set trusted to a manifest")
        return self

"""`[documents]`: operations that are known by their hash, and whether any others may be asked."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tracegraph.source_table import Table


class DocumentsTable(Table):
    """`trusted` is a manifest (JSON, `{sha256: document}` or Apollo's) or a folder of `.graphql` files.

    With `only_trusted` nothing else is run. Clients may else register `automatic` documents of their own by their
    hashes, together up to `automatic_mb`; 0 for none.
    """

    trusted: str | None = None
    only_trusted: bool = False
    automatic: int = Field(1000, ge=0)
    automatic_mb: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _something_is_trusted(self) -> Self:
        if self.only_trusted and self.trusted is None:
            raise ValueError("only_trusted without trusted would refuse everything: name a manifest or a folder")
        return self

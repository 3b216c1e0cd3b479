"""The README of the wheel and of the source distribution, which hatchling reads while it builds them.

The page of a package index has no files beside it. So each relative link leads to the file in the repository, at
the tag of the version. `[project.urls]` of pyproject.toml has the address of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"\]\((?![a-z]+:|#)([^()\s]+)\)")


def with_absolute_links(text: str, base: str) -> str:
    """Return a Markdown text whose relative links begin with a URL.

    Args:
        text: The text.
        base: The URL of the folder of the text, with a slash at its end.
    """
    return _LINK.sub(rf"]({base}\1)", text)


class IndexReadme(MetadataHookInterface):
    """Gives the distributions the README with absolute links."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README in the metadata of the project."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        base = f"{metadata['urls']['Repository']}/blob/v{metadata['version']}/"
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text, base)}

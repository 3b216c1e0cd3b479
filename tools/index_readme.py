"""The README of the wheel and of the source distribution, which hatchling reads while it builds them.

The page of a package index has no files beside it. So each relative link leads to the file in the repository, at
the tag of the version. `[project.urls]` of pyproject.toml has the address of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = r"\((?![a-z]+:|#)([^()\s]+)\)"


_IMAGE, _LINK = re.compile(rf"(!\[[^\[\]]*\]){_RELATIVE}"), re.compile(rf"(\]){_RELATIVE}")


def with_absolute_links(text: str, repository: str, tag: str) -> str:
    """Return a Markdown text whose relative links and images lead to files of a repository.

    Args:
        text: A text in the root of the repository.
        repository: The URL of the repository.
        tag: The tag of the files.
    """
    text = _IMAGE.sub(rf"\1({repository}/raw/{tag}/\2)", text)
    return _LINK.sub(rf"\1({repository}/blob/{tag}/\2)", text)


class IndexReadme(MetadataHookInterface):
    """Gives the distributions the README with absolute links."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README in the metadata of the project."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        linked = with_absolute_links(text, metadata["urls"]["Repository"], f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": linked}

"""`make docs`: builds docs/ and CHANGELOG.md as a site that needs no network. A broken link within it is an error.

A link to a file of the source, which is not part of the site, becomes the name of the file. tests/test_links.py
checks that the file exists.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]

_CONFIGURATION = """
project = html_title = "Tracegraph"
extensions = ["myst_parser"]
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # its GraphQL has no inline fragments without a type
"""

_START = """# Tracegraph

A GraphQL gateway over services that record LLM traces.

```{toctree}
:maxdepth: 1

query
clients
pages
configuration
operations
runbook
observability
reliability
security
performance
architecture
adapters
glossary
vendors/nemo
vendors/langsmith
vendors/meibel
vendors/mlflow
vendors/phoenix
releasing
CHANGELOG
```
"""

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)\s]+)\)")


def build(target: Path) -> int:
    """Build the site into a folder, and return the exit code of Sphinx."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        shutil.copytree(_ROOT / "docs", source, dirs_exist_ok=True)
        shutil.copy(_ROOT / "CHANGELOG.md", source)
        for page in source.rglob("*.md"):
            page.write_text(_within_the_site(page, source), encoding="utf-8")
        (source / "index.md").write_text(_START, encoding="utf-8")
        (source / "conf.py").write_text(_CONFIGURATION, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        return subprocess.run([*command, str(source), str(target)], check=False).returncode


def _within_the_site(page: Path, source: Path) -> str:
    """Return the text of a page whose links all lead to pages of the site."""

    def replaced(link: re.Match[str]) -> str:
        path, _, anchor = link[2].partition("#")
        linked = (page.parent / path).resolve()
        if linked.is_relative_to(source.resolve()) and linked.exists():
            return link[0]
        if path.endswith("CHANGELOG.md"):
            up = "../" * (len(page.relative_to(source).parts) - 1)
            return f"[{link[1]}]({up}CHANGELOG.md{anchor and '#' + anchor})"
        return link[1] if "`" in link[1] else f"{link[1]} (`{path.replace('../', '')}`)"

    text = _LINK.sub(replaced, page.read_text(encoding="utf-8"))
    return text.replace("](docs/", "](") if page.name == "CHANGELOG.md" else text


def main() -> int:
    """Build the site."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("target", type=Path, nargs="?", default=_ROOT / "build" / "site")
    return build(parser.parse_args().target)


if __name__ == "__main__":
    sys.exit(main())

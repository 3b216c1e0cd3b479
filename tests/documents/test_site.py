"""`make docs` builds a site without a broken link, and its pages load nothing from the network."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("TRACEGRAPH_DOCS_PYTHON", ROOT / ".venv-docs" / "bin" / "python"))


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="Sphinx is not installed: make docs installs it")
def test_the_site_has_every_page_no_broken_link_and_nothing_from_the_network(tmp_path: Path) -> None:
    command = [str(PYTHON), "-m", "tools.site", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    pages = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    built = {page.relative_to(tmp_path).with_suffix("") for page in tmp_path.rglob("*.html")}
    assert pages <= built
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//', text) == []
        assert re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(?:https?:)?//', text) == []

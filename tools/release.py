"""`make dist`: builds the wheel and the source distribution of a release, after checks (docs/releasing.md)."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

_HEADING = re.compile(r"^## (\S+) \((.*)\)$", re.MULTILINE)


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def problems(root: Path) -> list[str]:
    """Return a sentence for each place that does not agree with the version of the project.

    Args:
        root: The folder with pyproject.toml, CHANGELOG.md and deploy/.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    kustomization = (root / "deploy" / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8")
    newest = _HEADING.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    found = []
    if newest is None or newest[1] != version or not _DATE.fullmatch(newest[2]):
        found.append(f"CHANGELOG.md: the first section must be `## {version} (YEAR-MONTH-DAY)`.")
    if f"newTag: {version}\n" not in kustomization:
        found.append(f"deploy/kubernetes/kustomization.yaml: newTag must be {version}.")
    found += [
        f"pyproject.toml: project.urls.{name} must name the real repository, not {url}."
        for name, url in project["urls"].items()
        if "//git.example.com/" in url
    ]
    return found


def build(target: Path) -> dict[str, str]:
    """Build both distributions into a folder, and return their SHA-256 by file name.

    Raises:
        RuntimeError: A second build gives other bytes.
    """
    _run_hatchling(target)
    with tempfile.TemporaryDirectory() as folder:
        _run_hatchling(Path(folder))
        first, second = _hashes(target), _hashes(Path(folder))
    different = [name for name, found in second.items() if first[name] != found]
    if different:
        raise RuntimeError(f"A second build of {', '.join(different)} has other bytes.")
    return {name: first[name] for name in second}


def _run_hatchling(target: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(target)], cwd=ROOT, check=True)


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def main() -> int:
    """Build a release; exit code 2 when a check fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("target", type=Path, nargs="?", default=ROOT / "dist")
    target = parser.parse_args().target
    found = problems(ROOT)
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if found:
        return 2
    for name, digest in build(target).items():
        sys.stdout.write(f"{digest}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

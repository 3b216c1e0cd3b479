"""The files of the pages and of the playground are what a build of `web/` gives."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
PACKAGE = Path("src/tracegraph/http")
NPM = shutil.which("npm")


def _why_not() -> str | None:
    if NPM is None:
        return "npm is not installed"
    if not (WEB / "node_modules").is_dir():
        return "the packages are not installed: `make test-slow` runs `npm ci` in web"
    return None


@pytest.mark.slow
@pytest.mark.skipif(_why_not() is not None, reason=str(_why_not()))
def test_a_build_gives_the_files_of_the_package_byte_by_byte(tmp_path: Path) -> None:
    """It builds in a copy, as `make web` does."""
    ignore = shutil.ignore_patterns("node_modules", "generated")
    shutil.copytree(WEB, tmp_path / "web", ignore=ignore)
    (tmp_path / "web" / "node_modules").symlink_to(WEB / "node_modules")
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    for name in ("pages", "playground"):
        (tmp_path / PACKAGE / name).mkdir(parents=True)
    done = subprocess.run(
        [str(NPM), "run", "build"],
        cwd=tmp_path / "web",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("pages", "playground"):
        assert built(tmp_path / PACKAGE / name) == built(ROOT / PACKAGE / name)


def built(folder: Path) -> dict[str, bytes]:
    """Return every file that a build writes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

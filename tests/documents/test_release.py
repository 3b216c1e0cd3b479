"""The changelog has a section for each version, and `make dist` refuses a release whose places disagree."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tools.release import ROOT, problems

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
KUSTOMIZATION = "deploy/kubernetes/kustomization.yaml"
SECTIONS = ["Breaking", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def versions() -> list[tuple[str, str]]:
    """The headings of the versions with their texts, the newest first."""
    parts = re.split(r"^## (.+)\n", CHANGELOG, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_the_newest_section_of_the_changelog_is_the_version_of_the_project() -> None:
    headings = [heading for heading, _ in versions()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \((?:unreleased|\d{4}-\d\d-\d\d)\)", heading) for heading in headings)
    assert headings[0].startswith(f"{VERSION} (")
    assert [heading for heading in headings[1:] if "unreleased" in heading] == []


def test_each_version_begins_with_what_breaks_and_has_the_usual_sections_once() -> None:
    for _, text in versions():
        found = re.findall(r"^### (.+)$", text, re.MULTILINE)
        assert found == [name for name in SECTIONS if name in found]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that name the version, ready for a release."""
    for name in ("pyproject.toml", "CHANGELOG.md", KUSTOMIZATION):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    replace(tmp_path / "CHANGELOG.md", f"## {VERSION} (unreleased)", f"## {VERSION} (2027-01-31)")
    replace(tmp_path / "pyproject.toml", "//git.example.com/", "//git.example.org/")
    return tmp_path


def replace(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_a_release_whose_places_agree_has_no_problem(project: Path) -> None:
    assert problems(project) == []


@pytest.mark.parametrize(
    ("changed", "old", "new", "named"),
    [
        ("CHANGELOG.md", "(2027-01-31)", "(unreleased)", {"CHANGELOG.md"}),
        ("pyproject.toml", f'version = "{VERSION}"', 'version = "7.0.0"', {"CHANGELOG.md", KUSTOMIZATION}),
        (KUSTOMIZATION, f"newTag: {VERSION}", "newTag: 0.0.1", {KUSTOMIZATION}),
        ("pyproject.toml", "//git.example.org/", "//git.example.com/", {"pyproject.toml"}),
    ],
)
def test_a_release_is_refused_with_the_places_that_disagree(
    project: Path, changed: str, old: str, new: str, named: set[str]
) -> None:
    replace(project / changed, old, new)
    assert {problem.partition(": ")[0] for problem in problems(project)} == named

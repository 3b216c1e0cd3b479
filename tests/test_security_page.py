"""docs/security.md is accurate: its tests exist, and its reviewed versions are the pinned versions."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements" / "runtime.lock").read_text(encoding="utf-8")
PINNED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.MULTILINE))
REVIEWED = re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| (.+) \|$", PAGE, re.MULTILINE)


def test_the_root_page_links_to_the_security_page() -> None:
    assert "](docs/security.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_reviewed_versions_are_the_pinned_ones_and_no_older_than_the_fixes() -> None:
    assert {name: version for name, version, _ in REVIEWED} == {name: PINNED[name] for name, _, _ in REVIEWED}
    for _, version, fixes in REVIEWED:
        without_advisories = re.sub(r"\(.*?\)", "", fixes)
        fixed = re.findall(r"\b\d+\.\d+\.\d+\b", without_advisories)
        assert fixed
        assert all(numbers(version) >= numbers(one) for one in fixed)

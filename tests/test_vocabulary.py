"""Words that a newcomer cannot know are out of the code and its documents (retired-words.txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIST = (ROOT / "tests" / "retired-words.txt").read_text("utf-8").splitlines()
WORDS = [line for line in LIST if line and not line.startswith("#")]
FILE_NAMES = next(line for line in LIST if line.startswith("# File names")).partition(": ")[2].split()
# A word within snake_case or at a capital of CamelCase is a word, too.
RETIRED = re.compile(rf"(?<![a-z])({'|'.join(map(re.escape, WORDS))})(?![a-z])", re.IGNORECASE)


def texts() -> Iterator[tuple[str, str]]:
    for folder, pattern in (("src", "*.py"), ("adapters", "*.py"), ("adapters", "*.md"), ("docs", "*.md")):
        for path in sorted((ROOT / folder).rglob(pattern)):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    yield "README.md", (ROOT / "README.md").read_text("utf-8")


def test_no_retired_word_is_in_the_code_or_its_documents() -> None:
    found = [
        f"{name}:{number}: {word}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        for word in RETIRED.findall(line)
    ]
    assert found == []


def test_no_module_has_a_retired_name() -> None:
    modules = [path for folder in ("src", "adapters", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in modules if path.stem.removeprefix("test_") in FILE_NAMES] == []


@pytest.mark.parametrize("text", ["it is told", "_told_once", "Who asks", "given up", "Untold = 1"])
def test_a_retired_word_is_found(text: str) -> None:
    assert RETIRED.search(text)


@pytest.mark.parametrize("text", ["stolid", "a footnote", "toldo", "resettled"])
def test_a_word_that_only_holds_a_retired_one_is_not(text: str) -> None:
    assert not RETIRED.search(text)

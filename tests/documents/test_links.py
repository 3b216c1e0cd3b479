"""Links between documents lead somewhere: the file exists, and so does the heading."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "adapters").rglob("*.md")])
SOURCES = sorted(
    path for folder in ("adapters", "src", "tests", "tools") for path in (ROOT / folder).rglob("*.py")
)
LINK = re.compile(r"\]\(([^()\s]+)\)")
CITATION = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+(?:, #[\w-]+)*)?")
"""A page, with the headings of it that a comment names: `docs/vendors/nemo.md#filters, #paging`."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(document: Path) -> set[str]:
    """The headings as GitHub makes anchors of them: lower case, no punctuation, dashes for spaces."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,6} (.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(link: str, folder: Path, document: Path) -> bool:
    """Whether a relative link of a document leads to no file, or to no heading of it."""
    path, _, anchor = unquote(link).partition("#")
    target = (folder / path).resolve() if path else document
    if not target.exists():
        return True
    return bool(anchor) and (target.suffix != ".md" or anchor not in anchors(target))


def links(document: Path) -> Iterator[str]:
    """The relative links of a document, outside of its code."""
    text = re.sub(
        r"^```.*?^```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return (link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:"))


def cited(path: Path) -> Iterator[str]:
    """The links that comments of a module make: one for each heading that they name."""
    for citation in CITATION.findall(path.read_text(encoding="utf-8")):
        page, _, headings = citation.partition("#")
        yield from (f"{page}#{heading}" for heading in headings.split(", #")) if headings else (page,)


def test_there_are_documents_with_links_and_modules_that_cite_them() -> None:
    assert len(DOCUMENTS) > 15
    assert sum(1 for document in DOCUMENTS for _ in links(document)) > 50
    assert sum(1 for path in SOURCES for _ in cited(path)) > 50


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_relative_link_of_a_document_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert [link for link in links(document) if broken(link, document.parent, document)] == []


def test_every_page_and_heading_that_the_code_cites_exists() -> None:
    assert [
        f"{name(path)}: {link}"
        for path in SOURCES
        if path != Path(__file__)
        for link in cited(path)
        if broken(link, ROOT, path)
    ] == []


@pytest.mark.parametrize("link", ["docs/no-such-page.md", "README.md#no-such-heading", "LICENSE#anything"])
def test_a_broken_link_would_be_found(link: str) -> None:
    assert broken(link, ROOT, ROOT / "README.md")

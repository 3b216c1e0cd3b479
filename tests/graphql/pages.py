"""Lists as clients read them, page by page."""

from typing import Any

from tests.gateway import Gateway

PAGE = """
query Page($first: Int, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { name createdAt source { name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
    sources { source { name } status totalCount }
  }
}"""

SESSIONS = """
query Sessions($first: Int, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {
  sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { vendorId startedAt source { name } experiment { name } } }
    pageInfo { hasNextPage endCursor }
    totalCount
    sources { source { name } status totalCount }
  }
}"""


async def page(gateway: Gateway, **variables: Any) -> Any:
    """Return one page of experiments."""
    return (await gateway.ask(PAGE, **variables)).data["experiments"]


async def pages(gateway: Gateway, query: str, field: str, **variables: Any) -> list[Any]:
    """Return every page, following endCursor."""
    found: list[Any] = []
    while not found or found[-1]["pageInfo"]["hasNextPage"]:
        after = found[-1]["pageInfo"]["endCursor"] if found else None
        found.append((await gateway.ask(query, **variables, after=after)).data[field])
        assert len(found) < 100, "the traversal does not end"
    return found


def nodes(page: Any) -> list[Any]:
    """Return the rows of a page."""
    return [edge["node"] for edge in page["edges"]]

"""Print, as JSON, what Python's gql sees: python gql_client.py URL URL_WITH_A_FAILED_SOURCE."""

import json
import sys

# docs: gql-client
from collections.abc import Iterator
from typing import Any

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

SESSIONS = """
  query Sessions($filter: SessionFilter, $after: String) {
    sessions(first: 20, after: $after, filter: $filter) {
      nodes { id name startedAt status metadata }
      pageInfo { hasNextPage endCursor }
      isComplete
      sources { source { id name } status error { code message retryable } }
    }
  }
"""

NODES = """
  query Nodes($ids: [ID!]!) {
    nodes(ids: $ids) { __typename id ... on Experiment { name } }
    gateway { version }
  }
"""


def connect(url: str) -> Client:
    return Client(transport=HTTPXTransport(url, headers={"X-Deadline-Ms": "8000"}, timeout=10))


def execute(client: Client, text: str, variables: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return data and errors. gql raises when there are errors, and the exception has the data."""
    request = gql(text)
    request.variable_values = variables
    try:
        return client.execute(request), []
    except TransportQueryError as error:
        if error.data is None:
            raise
        return error.data, error.errors or []


def session_pages(client: Client, conditions: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        data, errors = execute(client, SESSIONS, {"filter": conditions, "after": after})
        page = data["sessions"]
        if page is None:  # every source failed
            raise RuntimeError(errors[0]["message"])
        yield page
        if not page["pageInfo"]["hasNextPage"]:  # an empty page is not the last one
            return
        after = page["pageInfo"]["endCursor"]


# docs end


def main(url: str, failing: str) -> None:
    """Print what this client sees of two gateways."""
    client = connect(url)
    listed = session_pages(client, None)
    pages = [next(listed), next(listed)]
    data, errors = execute(client, NODES, {"ids": [pages[0]["sources"][0]["source"]["id"], "not an id"]})
    codes = [[".".join(map(str, one["path"])), one["extensions"]["code"]] for one in errors]
    seen = {
        "pages": pages,
        "emptyPages": list(session_pages(client, {"text": "no session has this text"})),
        "incomplete": next(session_pages(connect(failing), None)),
        "nodes": {"data": data, "codes": codes},
    }
    sys.stdout.write(json.dumps(seen))


main(*sys.argv[1:])

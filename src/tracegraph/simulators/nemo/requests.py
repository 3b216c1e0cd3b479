"""What every NeMo endpoint has in common: access, paging, parameters and errors."""

import math
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request

from tracegraph.simulators.core.responses import ApiError, integer, invalid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.nemo import filters as nemo_filter
from tracegraph.simulators.nemo.world import NemoWorld

WORKSPACE = "/apis/intake/v2/workspaces/{workspace}"

STATUSES = ("success", "error", "cancelled", "unknown")

MAX_LIST_LENGTH = 1000

_LIST_PARAMETERS = ("page", "page_size", "sort")


def error_body(status: int) -> Row:
    """Return an error in NeMo's format (docs/vendors/nemo.md#errors)."""
    details = {500: "An unexpected error occurred.", 503: "Telemetry store unavailable."}
    return {"detail": details.get(status) or HTTPStatus(status).phrase}


def refusal(status: int, detail: str) -> ApiError:
    """Return an error with a text."""
    return ApiError(status, {"detail": detail})


def authorize(world: NemoWorld, request: Request) -> None:
    """Check the token, then the workspace."""
    if world.token is not None and request.headers.get("authorization") != f"Bearer {world.token}":
        raise refusal(401, "Not authenticated")
    workspace = request.path_params["workspace"]
    if workspace != world.workspace:
        raise refusal(404, f"Workspace '{workspace}' not found")


def require_telemetry(world: NemoWorld, status: int = 500) -> None:
    """Respond with this status while the telemetry store is down."""
    if world.telemetry_down:
        raise ApiError(status, error_body(status))


def reject_unknown_parameters(query: QueryParams, allowed: Collection[str] = _LIST_PARAMETERS) -> None:
    """Reject parameters that the service does not know (docs/vendors/nemo.md#filters)."""
    unknown = sorted({name for name in query if name not in allowed and not nemo_filter.is_filter(name)})
    if unknown:
        raise refusal(400, f"Unsupported query parameter(s): {', '.join(unknown)}")


def one_of(query: QueryParams, name: str, allowed: Sequence[str], default: str, kind: str = "enum") -> str:
    """Return a parameter that is one of `allowed`. Raise pydantic's 422 of this kind for anything else."""
    value = query.get(name, default)
    if value not in allowed:
        quoted = [f"'{choice}'" for choice in allowed]
        expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        invalid(["query", name], kind, f"Input should be {expected}", value, {"expected": expected})
    return value


def present(row: Mapping[str, Any]) -> Row:
    """Return the row without nulls, as the rows of the telemetry store are."""
    return {key: value for key, value in row.items() if value is not None}


class Page:
    """The page of a query: `page` from 1, `page_size` 1..1000 (docs/vendors/nemo.md#paging)."""

    def __init__(self, query: QueryParams, default_size: int = 100) -> None:
        self._number = integer(query, "page", 1, 1)
        self._size = integer(query, "page_size", default_size, 1, 1000)

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the page of all rows; empty past the end."""
        return rows[(self._number - 1) * self._size : self._number * self._size]

    def metadata(self, count: int, total: int) -> Row:
        """Return the page's description in the response."""
        return {
            "page": self._number,
            "page_size": self._size,
            "current_page_size": count,
            "total_pages": math.ceil(total / self._size),
            "total_results": total,
        }

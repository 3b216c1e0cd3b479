"""MLflow's errors (docs/vendors/mlflow.md#errors)."""

from tracegraph.simulators.core.responses import ApiError
from tracegraph.simulators.core.rows import Row

_CODES = {
    400: ("INVALID_PARAMETER_VALUE", "INVALID_PARAMETER_VALUE", "KAM00"),
    404: ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_NOT_FOUND", "KAM00"),
}


def error_body(status: int, message: str = "") -> Row:
    """Return the body of an error."""
    code, kind, state = _CODES.get(status, ("INTERNAL_ERROR", "CLIENT_INTERNAL_ERROR", "XXM00"))
    return {"error_code": code, "message": message, "sqlstate": state, "error_class": kind}


def refusal(message: str, status: int = 400) -> ApiError:
    """Return the error of a status."""
    return ApiError(status, error_body(status, message))

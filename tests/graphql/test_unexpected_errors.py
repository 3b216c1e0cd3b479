"""Unexpected errors are masked: the client gets a reference, under which the log has the details."""

from graphql import GraphQLError
from structlog.testing import capture_logs

from tracegraph.errors import SourceUnavailable
from tracegraph.graphql.errors import to_client_error


def test_an_unexpected_error_is_masked_and_logged_under_its_reference() -> None:
    bug = KeyError("a secret of the inside")
    error = GraphQLError(str(bug), path=["experiments", 0, "name"], original_error=bug)
    with capture_logs() as logs:
        masked = to_client_error(error)
    assert masked.message == "Internal error."
    assert masked.path == ["experiments", 0, "name"]
    assert masked.extensions is not None
    assert masked.extensions.keys() == {"code", "reference"}
    assert masked.extensions["code"] == "INTERNAL_SERVER_ERROR"
    (entry,) = logs
    assert (entry["event"], entry["reference"]) == (
        "graphql.unexpected_error",
        masked.extensions["reference"],
    )
    assert entry["exc_info"] is bug


def test_a_wrapped_error_is_identified_by_its_root_cause() -> None:
    """The library wraps a resolver's exception, sometimes more than once."""
    root = SourceUnavailable("nemo", "Source 'nemo' cannot be reached.", http_status=503)
    error = GraphQLError("wrapped", original_error=GraphQLError("inner", original_error=root))
    masked = to_client_error(error)
    assert masked.message == "Source 'nemo' cannot be reached."
    assert masked.extensions is not None
    assert masked.extensions["code"] == "SOURCE_UNAVAILABLE"

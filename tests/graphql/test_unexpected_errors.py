"""Unexpected errors are masked: the client gets a reference, under which the log has the details."""

from graphql import GraphQLError
from structlog.testing import capture_logs

from tracegraph.errors import SourceUnavailable
from tracegraph.graphql.errors import to_client_error


def test_an_unexpected_error_is_masked_and_logged_under_its_reference() -> None:
    bug = KeyError("a secret of the inside")
    error = GraphQLError(str(bug), path=["experiments", 0, "name"], original_error=bug)
    with capture_logs() as logs:
        told = to_client_error(error)
    assert told.message == "Internal error."
    assert told.path == ["experiments", 0, "name"]
    assert told.extensions is not None
    assert told.extensions.keys() == {"code", "reference"}
    assert told.extensions["code"] == "INTERNAL_SERVER_ERROR"
    (entry,) = logs
    assert (entry["event"], entry["reference"]) == ("graphql.unexpected_error", told.extensions["reference"])
    assert entry["exc_info"] is bug


def test_a_wrapped_error_is_identified_by_its_root_cause() -> None:
    """The library wraps a resolver's exception, sometimes more than once."""
    root = SourceUnavailable("nemo", "Source 'nemo' cannot be reached.", http_status=503)
    error = GraphQLError("wrapped", original_error=GraphQLError("inner", original_error=root))
    told = to_client_error(error)
    assert told.message == "Source 'nemo' cannot be reached."
    assert told.extensions is not None
    assert told.extensions["code"] == "SOURCE_UNAVAILABLE"

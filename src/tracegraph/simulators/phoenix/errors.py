"""The error whose message Phoenix shows. It hides that of any other behind `an unexpected error occurred`."""


class Refused(Exception):
    """A query that Phoenix rejects with a reason."""

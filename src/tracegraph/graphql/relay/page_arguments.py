"""The arguments of a page: `first` and `after`, or `last` and `before`."""

from __future__ import annotations

from dataclasses import dataclass

from tracegraph.errors import BadUserInput
from tracegraph.graphql.context import PageLimits


@dataclass(frozen=True, slots=True)
class PageArguments:
    """The first rows after a cursor, or the last rows before one. Without any, the first rows of the list."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def backwards(self) -> bool:
        """Whether the page is read from the end of the list, or back from `before`."""
        return self.last is not None or self.before is not None

    @property
    def cursor(self) -> str | None:
        """The cursor that the page begins or ends at."""
        return self.before if self.backwards else self.after

    def count(self, limits: PageLimits) -> int:
        """Return the number of rows.

        Raises:
            BadUserInput: When the number is out of range, or the arguments are for both directions.
        """
        if not self.backwards:
            return _checked("first", "after", self.first, limits)
        if self.first is not None or self.after is not None:
            raise BadUserInput("Use first with after, or last with before: they page in opposite directions.")
        return _checked("last", "before", self.last, limits)


def _checked(name: str, cursor: str, count: int | None, limits: PageLimits) -> int:
    if count is None:
        return limits.default_first
    if not 0 <= count <= limits.max_first:
        raise BadUserInput(
            f"{name} is {count}, and must be 0 to {limits.max_first}: request less, and continue with {cursor}."
        )
    return count

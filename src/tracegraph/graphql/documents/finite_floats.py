"""A validation rule: a Float in a document is finite, as one in a variable is."""

from __future__ import annotations

import math
from typing import Any

from graphql import FloatValueNode, GraphQLError, GraphQLFloat, IntValueNode, ValidationRule, get_named_type


class FiniteFloats(ValidationRule):
    """Reports each number beyond the range of Float, which graphql-core would pass on as infinity."""

    def enter_float_value(self, node: FloatValueNode, *_: Any) -> None:
        """Check a number with a fraction or an exponent."""
        self._check(node)

    def enter_int_value(self, node: IntValueNode, *_: Any) -> None:
        """Check a whole number, which may stand for a Float."""
        self._check(node)

    def _check(self, node: FloatValueNode | IntValueNode) -> None:
        if math.isinf(float(node.value)) and get_named_type(self.context.get_input_type()) is GraphQLFloat:
            self.report_error(GraphQLError("Float cannot represent a number beyond 1.79e308.", node))

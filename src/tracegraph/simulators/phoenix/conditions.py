"""Phoenix's language of conditions on spans: Python's expressions over a few names."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.phoenix.errors import Refused

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, among: value in among,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}

Names = Callable[[Row], Mapping[str, Any]]


def condition(text: str | None, names: Names) -> Callable[[Row], bool]:
    """Return the condition of a text; no text is met by every span.

    Args:
        text: The expression.
        names: Returns what the names mean for a span.

    Raises:
        Refused: The text is no expression, or has a part that the simulator does not know.
    """
    if not text:
        return lambda _: True
    try:
        expression = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise Refused("invalid syntax") from None
    return lambda span: bool(_value(expression, names(span)))


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=elements):
            return [_value(element, names) for element in elements]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(value, names) for value in values)
        case ast.Compare(left=left, ops=[kind], comparators=[right]) if type(kind) in _COMPARISONS:
            return _COMPARISONS[type(kind)](_value(left, names), _value(right, names))
    raise Refused(f"invalid expression: {ast.unparse(node)}")

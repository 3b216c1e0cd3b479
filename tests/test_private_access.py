"""No private part of a library is used outside the two packages that may: the compiler of plans, and the server.

A private name begins with one underscore. It belongs to a library where our own code does not define it: in the
body of a class or a module, in `__slots__`, or as `self._name` in a method that initializes or enters the object.
An assignment elsewhere defines nothing, since it may replace an attribute of a base class of a library.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXEMPT = (ROOT / "src/tracegraph/graphql/compiler", ROOT / "src/tracegraph/server")
VENDORS = ("langsmith", "meibel", "mlflow", "nemo", "phoenix")
OURS = frozenset({"tracegraph", *(f"tracegraph_{vendor}" for vendor in VENDORS)})
DOCUMENTED = frozenset({"_asdict", "_fields", "_make", "_replace", "_exit"})
"""Public names with an underscore: those of named tuples, and `os._exit`."""

INITIALIZERS = frozenset({"__init__", "__new__", "__post_init__", "__enter__", "__aenter__"})
ACCESSORS = frozenset({"getattr", "setattr", "hasattr", "delattr", "attrgetter"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != "" and name not in DOCUMENTED


def defined(tree: ast.Module) -> set[str]:
    """Return the private names that a module defines."""
    names: set[str] = set()
    for scope in ast.walk(tree):
        if isinstance(scope, Function) and scope.name in INITIALIZERS:
            names |= {
                node.attr
                for node in ast.walk(scope)
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value)
            }
        if isinstance(scope, ast.ClassDef | ast.Module):
            for statement in scope.body:
                names |= set(_declared(statement))
    return names


def _declared(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, Function | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
        yield from names
        if "__slots__" in names and statement.value is not None:
            yield from ast.literal_eval(statement.value)


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _name(call: ast.Call) -> str:
    """Return the name of the called function, without its module."""
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def violations(tree: ast.Module, ours: Iterable[str]) -> Iterator[str]:
    """Yield each use of a private name of a library.

    Args:
        tree: The module.
        ours: The private names that our own code defines.
    """
    known, here = set(ours), defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            own = _is_own(node.value) or (isinstance(node.value, ast.Call) and _name(node.value) == "super")
            if node.attr not in (known if own else here):
                yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and _name(node) in ACCESSORS:
            texts = [
                one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if any(is_private(text) and text not in known for text in texts):
                yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from _private_imports(node)


def _private_imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        parts = f"{module}.{alias.name}".strip(".").split(".")
        if parts[0] not in OURS and not getattr(node, "level", 0) and any(map(is_private, parts)):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_only_the_compiler_and_the_server_use_private_parts_of_libraries() -> None:
    paths = [path for folder in ("src", "adapters") for path in (ROOT / folder).rglob("*.py")]
    trees = {path: ast.parse(path.read_text("utf-8")) for path in paths}
    ours = set().union(*map(defined, trees.values()))
    assert [
        f"{path.relative_to(ROOT)}:{violation}"
        for path, tree in trees.items()
        if not any(path.is_relative_to(folder) for folder in EXEMPT)
        for violation in violations(tree, ours)
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "schema._schema",
        "import library\nlibrary.Thing()._state",
        "from library import _helper",
        "from library._inner import helper",
        "import library._inner",
        "getattr(server, '_servers')",
        "from operator import attrgetter\nattrgetter('_raw_info')(info)",
        "class Own(library.Server):\n    def end(self):\n        return self._captured_signals",
        "class Own(library.Server):\n    def end(self):\n        self._captured_signals = []",
        "class Own(library.Server):\n    def end(self):\n        super()._shut_down()",
    ],
)
def test_private_access_to_a_library_would_be_found(text: str) -> None:
    tree = ast.parse(text)
    assert len(list(violations(tree, defined(tree)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "class Own:\n    def __init__(self):\n        self._a = 1\n    def read(self):\n        return self._a",
        "class Own:\n    _state: int = 0\n    def same(self, other):\n        return other._state == self._state",
        "class Own:\n    def _part(self): ...\n    def all(self):\n        return self._part()",
        "row._replace(name='b')",
        "import os\nos._exit(1)",
        "from tracegraph.simulators.core.ids import _moment",
        "from __future__ import annotations",
    ],
)
def test_own_private_names_are_no_violation(text: str) -> None:
    tree = ast.parse(text)
    assert list(violations(tree, defined(tree))) == []

"""Our own sentences for invalid values of the configuration, in place of pydantic's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, core_schema

Details = Mapping[str, Any]

_BARE_KEY = re.compile(r"[\w./*+:@-]+")
_UNION_BRANCH = re.compile(r"[A-Z]\w*|literal\[.*\]|\w+\[.*\]", re.DOTALL)
_LIBRARY_TYPES = frozenset(get_args(core_schema.ErrorType))

_INTEGER = "a whole number is expected, such as 10"
_NUMBER = "a number is expected, such as 2.5"
_BOOLEAN = "true or false is expected"
_STRING = 'a string is expected, such as "name"'
_LIST = 'a list is expected, such as ["first", "second"]'
_TABLE = "a table is expected: write its keys under a heading in brackets, such as [server]"

_SENTENCES: dict[str, str | Callable[[Details], str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _INTEGER),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "a finite number is expected, such as 2.5",
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOLEAN),
    **dict.fromkeys(("string_type", "string_unicode", "string_sub_type", "url_type"), _STRING),
    **dict.fromkeys(
        ("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type", "set_item_not_hashable"), _LIST
    ),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), _TABLE
    ),
    "greater_than": lambda details: f"it must be above {details['gt']:g}",
    "greater_than_equal": lambda details: f"it must be {details['ge']:g} or more",
    "less_than": lambda details: f"it must be below {details['lt']:g}",
    "less_than_equal": lambda details: f"it must be {_plain_number(details['le'])} or less",
    "multiple_of": lambda details: f"it must be a multiple of {details['multiple_of']:g}",
    "string_too_short": "it must not be empty: set a value, or remove the key",
    "too_short": "the list must not be empty: add at least one entry",
    "string_too_long": lambda details: f"it must have at most {details['max_length']} characters",
    "too_long": lambda details: f"the list must have at most {details['max_length']} entries",
    "string_pattern_mismatch": lambda details: f"it does not match the expected pattern {details['pattern']}",
    "literal_error": lambda details: f"it must be one of {details['expected'].replace(' or ', ', ')}",
    "enum": lambda details: f"it must be one of {details['expected'].replace(' or ', ', ')}",
}


class SettingError(ValueError):
    """An invalid value or combination of a table; `key` is the key to change, or the path of keys to it."""

    def __init__(self, key: str | Sequence[str], message: str) -> None:
        super().__init__(message)
        self.keys = (key,) if isinstance(key, str) else tuple(key)


def first_error(error: ValidationError) -> ErrorDetails:
    """Return the error to report: an unknown or missing key explains the errors that follow from it."""
    return error.errors(include_url=False, include_input=False)[0]


def path_of(details: ErrorDetails, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of the invalid value, without the parts that pydantic adds for the branches of a union.

    `values` are the checked values: a key of them is never taken for a branch, whatever its name.
    """
    keys: list[str] = []
    node: Any = values
    for number, part in enumerate(details["loc"], 1):
        is_missing = details["type"] == "missing" and number == len(details["loc"])
        is_key = part in node if isinstance(node, Mapping) else isinstance(part, int)
        if is_key or is_missing or not _UNION_BRANCH.fullmatch(str(part)):
            keys.append(str(part))
            node = node.get(part) if isinstance(node, Mapping) else None
    cause = (details.get("ctx") or {}).get("error")
    return (*keys, *cause.keys) if isinstance(cause, SettingError) else tuple(keys)


def dotted(keys: Sequence[str]) -> str:
    """Return a key as messages name it, on one line: `sources.nemo.timeout_s`."""
    return ".".join(key if _BARE_KEY.fullmatch(key) else json.dumps(key) for key in keys)


def sentence_of(details: ErrorDetails) -> str:
    """Return the problem and the expected form, without the value, which may be a secret."""
    context: Details = details.get("ctx") or {}
    sentence = _SENTENCES.get(details["type"])
    if sentence is not None:
        return sentence if isinstance(sentence, str) else sentence(context)
    if details["type"] == "value_error" and "error" in context:
        return str(context["error"]).removesuffix(".")
    if details["type"] in _LIBRARY_TYPES:
        return "the value has the wrong type"
    return details["msg"].removesuffix(".")


def _plain_number(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"

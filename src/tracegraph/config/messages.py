"""What a wrong value of the configuration is called: our own sentences in place of the validating library's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, core_schema

Details = Mapping[str, Any]

_BARE = re.compile(r"[\w./*+:@-]+")
_UNION_BRANCH = re.compile(r"[A-Z]\w*|literal\[.*\]|\w+\[.*\]", re.DOTALL)
_LIBRARY = frozenset(get_args(core_schema.ErrorType))

_WHOLE = "a whole number is expected, such as 10"
_NUMBER = "a number is expected, such as 2.5"
_TRUTH = "true or false is expected"
_TEXT = 'a text is expected, such as "name"'
_LIST = 'a list is expected, such as ["first", "second"]'
_TABLE = "a table is expected: write its keys under a heading in brackets, such as [server]"

_SENTENCES: dict[str, str | Callable[[Details], str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "a finite number is expected, such as 2.5",
    **dict.fromkeys(("bool_type", "bool_parsing"), _TRUTH),
    **dict.fromkeys(("string_type", "string_unicode", "string_sub_type", "url_type"), _TEXT),
    **dict.fromkeys(
        ("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type", "set_item_not_hashable"), _LIST
    ),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), _TABLE
    ),
    "greater_than": lambda given: f"it must be above {given['gt']:g}",
    "greater_than_equal": lambda given: f"it must be {given['ge']:g} or more",
    "less_than": lambda given: f"it must be below {given['lt']:g}",
    "less_than_equal": lambda given: f"it must be {_plain_number(given['le'])} or less",
    "multiple_of": lambda given: f"it must be a multiple of {given['multiple_of']:g}",
    "string_too_short": "it must not be empty: give a value, or leave the key out",
    "too_short": "the list must not be empty: name at least one",
    "string_too_long": lambda given: f"it must have {given['max_length']} characters or fewer",
    "too_long": lambda given: f"the list must have {given['max_length']} entries or fewer",
    "string_pattern_mismatch": lambda given: f"it does not have the form that is expected, {given['pattern']}",
    "literal_error": lambda given: f"it must be one of {given['expected'].replace(' or ', ', ')}",
    "enum": lambda given: f"it must be one of {given['expected'].replace(' or ', ', ')}",
}


class Misfit(ValueError):
    """A table's values do not fit together; `key` is the one to change, or the keys that lead to it."""

    def __init__(self, key: str | Sequence[str], message: str) -> None:
        super().__init__(message)
        self.keys = (key,) if isinstance(key, str) else tuple(key)


def first_error(error: ValidationError) -> ErrorDetails:
    """The error to report: an unknown or missing key explains what follows from it."""
    return error.errors(include_url=False, include_input=False)[0]


def path_of(details: ErrorDetails, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that lead to the wrong value, without what the library adds for the branches of a union.

    `given` are the values that were checked: a key that is in them is no branch, whatever its name.
    """
    keys: list[str] = []
    here: Any = given
    for number, part in enumerate(details["loc"], 1):
        is_missing = details["type"] == "missing" and number == len(details["loc"])
        is_given = part in here if isinstance(here, Mapping) else isinstance(part, int)
        if is_given or is_missing or not _UNION_BRANCH.fullmatch(str(part)):
            keys.append(str(part))
            here = here.get(part) if isinstance(here, Mapping) else None
    cause = (details.get("ctx") or {}).get("error")
    return (*keys, *cause.keys) if isinstance(cause, Misfit) else tuple(keys)


def dotted(keys: Sequence[str]) -> str:
    """A key as messages name it, on one line: `sources.nemo.timeout_s`."""
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key) for key in keys)


def sentence_of(details: ErrorDetails) -> str:
    """What is wrong and what is expected, without the value, which may be a secret."""
    given: Details = details.get("ctx") or {}
    sentence = _SENTENCES.get(details["type"])
    if sentence is not None:
        return sentence if isinstance(sentence, str) else sentence(given)
    if details["type"] == "value_error" and "error" in given:
        return str(given["error"]).removesuffix(".")
    if details["type"] in _LIBRARY:
        return "it has a value of another kind than is expected"
    return details["msg"].removesuffix(".")


def _plain_number(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"

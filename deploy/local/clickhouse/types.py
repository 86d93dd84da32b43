"""ClickHouse type names, taken apart."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from deploy.local.clickhouse.errors import Code, ServerError


class TypeName(NamedTuple):
    """`Array(Nullable(String))` as name `Array` and arguments `["Nullable(String)"]`."""

    name: str
    arguments: tuple[str, ...]


@lru_cache(maxsize=256)
def parse_type(text: str) -> TypeName:
    """Splits a type into its family and its arguments, which stay text."""
    text = text.strip()
    start = text.find("(")
    if start < 0:
        return TypeName(text, ())
    if not text.endswith(")"):
        raise ServerError(Code.UNKNOWN_TYPE, f"Cannot parse data type {text!r}.")
    return TypeName(text[:start].strip(), tuple(split_arguments(text[start + 1 : -1])))


def split_arguments(text: str) -> list[str]:
    """Splits at the commas which are outside of parentheses and quotes."""
    parts: list[str] = []
    depth = start = i = 0
    while i < len(text):
        char = text[i]
        if char in "'`\"":
            i = _end_of_quoted(text, i)
            continue
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
        i += 1
    last = text[start:].strip()
    return [*parts, last] if last or parts else []


def element_type(argument: str) -> str:
    """The type of a tuple element or typed path, `name Type` or only `Type`."""
    return split_name(argument)[1]


def split_name(argument: str) -> tuple[str, str]:
    """A tuple element or typed path as its name (empty if it has none) and its type."""
    argument = argument.strip()
    if argument[:1] in '`"':
        end = _end_of_quoted(argument, 0)
        return argument[1 : end - 1], argument[end:].strip()
    for i, char in enumerate(argument):
        if char in "('":
            break
        if char == " ":
            return argument[:i], argument[i + 1 :].strip()
    return "", argument


def _end_of_quoted(text: str, start: int) -> int:
    quote = text[start]
    i = start + 1
    while i < len(text):
        if text[i] == "\\":
            i += 2
            continue
        if text[i] == quote:
            return i + 1
        i += 1
    raise ServerError(Code.UNKNOWN_TYPE, f"Unclosed quote in data type {text!r}.")
